"""What a notebook needs of a run; `emtnas_hpc` itself hands out the names."""

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from emtnas_hpc.checkpoint.commits import read_committed
from emtnas_hpc.checkpoint.paths import HISTORY, RunPaths
from emtnas_hpc.data.opening import opened_once
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.errors import EmtnasError, InputError, StartOverError, StoppedError
from emtnas_hpc.export.spec import Retrained, check_shape, retrainings_of
from emtnas_hpc.pipeline import finished_history, incumbent, run_stages
from emtnas_hpc.retraining.record import Retraining, TestResult
from emtnas_hpc.retraining.spec import RetrainSpec
from emtnas_hpc.runner.context import Callbacks, RunContext, log_to
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.runner.signals import StopRequest
from emtnas_hpc.search.environment import check_device_name
from emtnas_hpc.search.history import History
from emtnas_hpc.search.history_arrays import SearchHistory, arrays_of
from emtnas_hpc.search.history_file import read_history
from emtnas_hpc.search.spec import RunSpec
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.hints import prepare_hint_for_retraining, prepare_hints
from emtnas_hpc.settings.loading import retraining_experiment
from emtnas_hpc.settings.names import read_stored
from emtnas_hpc.space.architecture import (
    Architecture,
    NetworkShape,
    StemKind,
    format_genotype,
    parse_genotype,
)

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class Incumbent:
    """What a search has found for a task.

    Attributes:
        task: its name.
        id: of the individual, which is its row in `history.individuals`.
        architecture: its two cells.
        genotype: the same as text.
        true_fitness: its accuracy on the whole validation set with the supernet's weights, in
            [0, 1]; nan before the first measurement.
        diverged_in: the first generation whose training loss is no finite number, None if all are;
            what was found since is noise.
    """

    task: str
    id: int
    architecture: Architecture
    genotype: str
    true_fitness: float
    diverged_in: int | None = None


@dataclass(frozen=True, repr=False)
class RunRetraining:
    """A retraining of a run: where its commits are, and its newest record."""

    retrained: Retrained

    def __repr__(self) -> str:
        """Short enough for a list of them."""
        return f"RunRetraining({self.name!r}, test={self.test})"

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.retrained.name

    @property
    def record(self) -> Retraining:
        """Its header, its curve, and what it costs."""
        return self.retrained.record

    @property
    def test(self) -> TestResult | None:
        """The result on the test set; None while it is not finished.

        If the training diverged, the accuracy is nan.
        """
        return self.record.result

    @property
    def diverged(self) -> str:
        """Where its loss was no finite number, such as `epoch 3`; empty if it always was one."""
        return self.record.diverged

    def network(self, *, force: bool = False) -> "nn.Module":
        """The trained network as a plain torch module, in evaluation, on the CPU.

        Args:
            force: only warn if it diverged.

        Raises:
            InputError: the retraining is not finished, or diverged.
            DamagedError: its weights are damaged.
        """
        if not self.record.finished:
            raise InputError(f"{self.name} is not finished, and has no network yet")
        from emtnas_hpc.export.networks import is_finite, trained_network  # takes torch

        network = trained_network(self.retrained)
        problem = self.retrained.divergence(finite=is_finite(network))
        if problem and not force:
            raise InputError(
                f"{problem}; retrain with a lower retraining.learning_rate, or take them with "
                "network(force=True)"
            )
        if problem:
            warnings.warn(problem, stacklevel=2)
        return network.eval()


@dataclass(frozen=True, kw_only=True)
class Run:
    """One seed of an experiment, up to its newest commit when it was loaded."""

    directory: Path
    experiment: Experiment = field(repr=False)
    seed: int
    retrainings: Sequence[RunRetraining]
    _history: History | None = field(repr=False)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names, in order of skill factor."""
        return self.experiment.tasks

    @property
    def generation(self) -> int:
        """Of the newest commit of the search, 0 before the first."""
        return self._history.generation if self._history else 0

    @property
    def finished(self) -> bool:
        """Whether the search is over."""
        return self._history is not None and self._history.finished

    @cached_property
    def history(self) -> SearchHistory:
        """All individuals and generations as arrays.

        Raises:
            InputError: the search has committed nothing.
        """
        return arrays_of(self._committed_history())

    def incumbent(self, task: str | None = None) -> Incumbent:
        """What the search has found for a task so far.

        Args:
            task: its name; a run of one task needs none.

        Raises:
            InputError: there is no such task, or the search has committed nothing.
        """
        history = self._committed_history()
        if task is None and len(self.tasks) == 1:
            task = self.tasks[0]
        architecture, origin = incumbent(history, task)
        number = self.tasks.index(origin.task)
        return Incumbent(
            task=origin.task,
            id=origin.individual,
            architecture=architecture,
            genotype=format_genotype(architecture),
            true_fitness=history.best_true_fitness(number),
            diverged_in=history.diverged_in(number),
        )

    def _committed_history(self) -> History:
        if self._history is None:
            raise InputError(
                f"{self.directory}: the search has committed nothing; start it with "
                "`emtnas-hpc run`, or look at its retrainings"
            )
        return self._history


def load_run(directory: str | Path) -> Run:
    """Reads the directory of one seed, such as `runs/cifar/seed-0`.

    May be done while the run goes on, and needs no torch.

    Raises:
        InputError: it is no run directory.
        DamagedError: no commit of the search can be read.
    """
    paths = RunPaths(Path(directory))
    stored = read_stored(paths)
    if stored is None:
        raise InputError(
            f"{paths.directory} is no run: expected the directory of one seed, with an "
            "experiment.toml"
        )
    return Run(
        directory=paths.directory,
        experiment=stored.experiment,
        seed=stored.seed,
        retrainings=tuple(RunRetraining(each) for each in retrainings_of(paths)),
        _history=read_committed(paths.search, HISTORY, read_history),
    )


def build_network(
    architecture: Architecture | str,
    *,
    classes: int,
    channels: int = 48,
    normal_cells: int = 2,
    image_channels: int = 3,
    image_size: int = 32,
    stem: StemKind = "plain",
    seed: int = 0,
) -> "nn.Module":
    """Makes a network that maps `(n, image_channels, image_size, image_size)` to logits.

    It is plain torch, in training mode, on the CPU: what `export` writes. The architecture may be a
    genotype as text. `channels` is C, the width after the stem; `normal_cells` is N, in each stage;
    the stem is "plain", or "strided" for large images. The seed is that of the weights; torch's own
    generator is not touched.

    Raises:
        InputError: no network can be like that, or the text is no genotype.
    """
    if isinstance(architecture, str):
        architecture = parse_genotype(architecture)
    shape = check_shape(
        NetworkShape(
            channels=channels,
            n_normal=normal_cells,
            image_channels=image_channels,
            image_size=image_size,
            n_classes=classes,
            stem=stem,
        )
    )
    from emtnas_hpc.export.networks import fresh_network  # takes torch

    return fresh_network(architecture, shape, seed)


def retrain(
    run: Run,
    task: str | None = None,
    *,
    on: str | None = None,
    normal_cells: int | None = None,
    recipe: str | None = None,
    settings: Sequence[str] = (),
    data: str | Path = "data",
    device: str = "auto",
    say: Callable[[str], None] = print,
    progress: Callable[[Mapping[str, object]], None] = lambda _readings: None,
) -> RunRetraining:
    """Trains what a finished search found from scratch, and measures it on the test set once.

    Called again, it goes on where it was, and returns at once when it is finished. An interrupt
    stops it at the next batch; `run` itself stays as it was loaded.

    Args:
        run: its search is finished.
        task: that the architecture was found for; a run of one task needs none.
        on: data set to train on instead: a transfer.
        normal_cells: N; by default the largest of the experiment's.
        recipe: in place of the run's.
        settings: overrides such as "retraining.epochs=10".
        data: where prepared data is.
        device: auto, cpu, cuda or cuda:N.
        say: gets every line for the user.
        progress: gets epoch, loss and accuracy after every step.

    Raises:
        InputError: something of it cannot be done; nothing has been changed.
        OwnedError: another process owns the run.
        KeyboardInterrupt: it was stopped with work left.
        EmtnasError: of the store; what was committed stands.
    """
    if threading.current_thread() is not threading.main_thread():
        raise InputError("retrain is called in a thread, expected the main one: it hears signals")
    paths, data_dir = RunPaths(run.directory), Path(data)
    source = run.incumbent(task).task
    target = on or source
    history = finished_history(paths)
    experiment = retraining_experiment(
        run.experiment, settings, recipe=recipe, targets=(target,), registry=REGISTRY
    )
    architecture, origin = incumbent(history, source)
    largest = max(experiment.retraining.normal_cells, default=0)
    n_normal = largest if normal_cells is None else normal_cells
    if n_normal < 1:
        found = "not given" if normal_cells is None else f"{normal_cells}"
        raise InputError(f"normal_cells is {found}, expected at least 1 between two reductions")
    spec = RetrainSpec(experiment, run.seed, architecture, origin, task=target, n_normal=n_normal)
    own = run.experiment.data_sets
    hint = prepare_hint_for_retraining(
        paths.experiment, own, [target], overrides=settings, data=data_dir
    )
    device = check_device_name(device)
    run_spec = RunSpec(run.experiment, run.seed, paths, data_dir, device=device)
    callbacks = Callbacks(lambda step: progress(step.readings))
    with log_to(say), opened_once(), prepare_hints(hint), StopRequest() as stop:
        try:
            outcome = run_stages(run_spec, RunContext(stop, callbacks), [spec])
        except StartOverError as error:
            raise EmtnasError(
                f"{error.reason}: restart the kernel, then the same call goes on"
            ) from None
        except StoppedError:
            outcome = Outcome.MORE  # stopped before its first step
    if outcome is Outcome.MORE:
        raise KeyboardInterrupt(f"stopped by {stop.signal} with work left; the same call goes on")
    return RunRetraining(next(r for r in retrainings_of(paths) if r.name == spec.name))
