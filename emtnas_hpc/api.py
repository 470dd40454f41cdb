"""What a notebook needs of a run; `emtnas_hpc` itself hands out the names."""

import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from emtnas_hpc.checkpoint.commits import read_committed
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.errors import EmtnasError, InputError, StartOverError, StoppedError
from emtnas_hpc.export.files import divergence, load_plain
from emtnas_hpc.export.subjects import (
    Retrained,
    Subject,
    check_shape,
    retrained_subject,
    retrainings_of,
)
from emtnas_hpc.pipeline import finished_history, incumbent, run_retraining_stages
from emtnas_hpc.retraining.record import Retraining, TestResult
from emtnas_hpc.retraining.spec import RetrainSpec
from emtnas_hpc.runner.context import log_to
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.runner.signals import StopRequest
from emtnas_hpc.search.environment import check_device_name
from emtnas_hpc.search.history import History
from emtnas_hpc.search.history_arrays import SearchHistory, arrays_of
from emtnas_hpc.search.history_file import FILE_NAME, read_history
from emtnas_hpc.search.run_dir import read_stored
from emtnas_hpc.search.session import Callbacks, RunSpec
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.hints import prepare_hint_for_retraining
from emtnas_hpc.settings.loading import retraining_experiment
from emtnas_hpc.space.architecture import (
    Architecture,
    NetworkShape,
    StemKind,
    decode,
    format_genotype,
    parse_genotype,
)

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
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
    """A retraining of a run.

    Attributes:
        retrained: where it lies, and its record.
    """

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
        """The verdict of the test set; None while it is not finished.

        Of a training that diverged the accuracy is nan.
        """
        return self.record.verdict

    @property
    def diverged(self) -> str:
        """Where its loss was no finite number, such as `epoch 3`; empty if it never was."""
        return self.record.diverged

    def network(self, *, force: bool = False) -> "nn.Module":
        """The trained network as a plain torch module, in evaluation, on the CPU.

        Args:
            force: only warn of a network that diverged.

        Raises:
            InputError: the retraining is not finished, or diverged.
            DamagedError: its weights are damaged.
        """
        if not self.record.finished:
            raise InputError(f"{self.name} is not finished, and has no network yet")
        network, where = load_plain(retrained_subject(self.retrained), self.retrained)
        if where and not force:
            raise InputError(
                f"{divergence(self.retrained, where)}; retrain with a lower "
                "retraining.learning_rate, or take them with network(force=True)"
            )
        if where:
            warnings.warn(divergence(self.retrained, where), stacklevel=2)
        return network.eval()


@dataclass(frozen=True)
class Run:
    """One seed of an experiment, up to its newest commit when it was loaded.

    Attributes:
        directory: of the run.
        experiment: all its settings.
        seed: of it.
        retrainings: by name.
    """

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
        return self.generation >= self.experiment.search.generations

    @cached_property
    def history(self) -> SearchHistory:
        """All individuals and generations as arrays.

        Raises:
            InputError: the search has committed nothing.
        """
        return arrays_of(self._searched())

    def incumbent(self, task: str | None = None) -> Incumbent:
        """What the search has found for a task so far.

        Args:
            task: its name; a run of one task needs none.

        Raises:
            InputError: there is no such task, or the search has committed nothing.
        """
        history = self._searched()
        number = self._number(task)
        found = history.incumbent(number)
        architecture = decode(found.chromosome)
        return Incumbent(
            self.tasks[number],
            found.id,
            architecture,
            format_genotype(architecture),
            history.best_true_fitness(number),
            history.diverged_in(number),
        )

    def _searched(self) -> History:
        if self._history is None:
            raise InputError(
                f"{self.directory}: the search has committed nothing; start it with "
                "`emtnas-hpc run`, or look at its retrainings"
            )
        return self._history

    def _number(self, task: str | None) -> int:
        if task is None and len(self.tasks) == 1:
            return 0
        if task not in self.tasks:
            raise InputError(f"task is {task!r}, expected one of {', '.join(self.tasks)}")
        return self.tasks.index(task)


def load_run(directory: str | Path) -> Run:
    """Reads a run directory; may be done while the run goes on, and needs no torch.

    Args:
        directory: of one seed, such as `runs/cifar/seed-0`.

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
    retrainings = tuple(RunRetraining(each) for each in retrainings_of(paths))
    history = read_committed(paths.search, FILE_NAME, read_history)
    return Run(paths.directory, stored.experiment, stored.seed, retrainings, history)


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

    It is plain torch, in training mode, on the CPU: what `export` writes.

    Args:
        architecture: an architecture, or a genotype as text.
        classes: outputs of the classifier.
        channels: C, the width after the stem.
        normal_cells: N, normal cells between two reductions.
        image_channels: 1 or 3.
        image_size: edge of the square images in pixels.
        stem: "plain", or "strided" for large images.
        seed: of the weights; torch's own generator is not touched.

    Raises:
        InputError: no network can be like that, or the text is no genotype.
    """
    if isinstance(architecture, str):
        architecture = parse_genotype(architecture)
    shape = check_shape(
        NetworkShape(channels, normal_cells, image_channels, image_size, classes, stem)
    )
    from emtnas_hpc.export.plain import fresh_network

    return fresh_network(Subject("network", architecture, shape), seed)


#: Told after every step what the stage says of it: epoch, loss, accuracy.
ProgressListener = Callable[[Mapping[str, object]], None]


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
    progress: ProgressListener = lambda _summary: None,
) -> RunRetraining:
    """Trains what a finished search found from scratch, and measures it on the test set once.

    Called again, it goes on where it was, and returns at once when it is finished. An interrupt
    stops it at the next batch; `run` itself stays as it was loaded.

    Args:
        run: whose search is finished.
        task: that the architecture was found for; a run of one task needs none.
        on: data set to train on instead: a transfer.
        normal_cells: N; by default the largest that the experiment asks for.
        recipe: in place of the run's.
        settings: overrides such as "retraining.epochs=10".
        data: where prepared data is.
        device: auto, cpu, cuda or cuda:N.
        say: told what the user should know.
        progress: told how it goes.

    Raises:
        InputError: something of it cannot be done; nothing has been changed.
        OwnedError: another process is at the run.
        KeyboardInterrupt: it was stopped with work left.
        EmtnasError: of the store; what was committed stands.
    """
    if threading.current_thread() is not threading.main_thread():
        raise InputError("retrain is called in a thread, expected the main one: it hears signals")
    order = _order(run, run.incumbent(task).task, on, normal_cells, recipe, settings)
    paths, data_dir = RunPaths(run.directory), Path(data)
    own = run.experiment.data_sets
    mend = prepare_hint_for_retraining(paths, own, [order.task], settings, data_dir)
    device = check_device_name(device)
    request = RunSpec(run.experiment, run.seed, paths, data_dir, device, mend)
    listeners = Callbacks(lambda step: progress(step.readings), lambda _phase, _what: None)
    with log_to(say):
        _carry_on(request, order, listeners)
    found = retrainings_of(request.paths)
    return RunRetraining(next(each for each in found if each.name == order.name))


def _carry_on(request: RunSpec, order: RetrainSpec, listeners: Callbacks) -> None:
    with StopRequest() as stop:
        try:
            outcome = run_retraining_stages(request, [order], listeners, stop)
        except StartOverError as error:
            raise EmtnasError(
                f"{error.reason}: restart the kernel, then the same call goes on"
            ) from None
        except StoppedError:
            outcome = Outcome.MORE  # outside the loop, which alone returns it
    if outcome is Outcome.MORE:
        raise KeyboardInterrupt(
            f"stopped by {stop.signal} with work left; the same call goes on"
        ) from None


def _order(
    run: Run,
    task: str,
    on: str | None,
    normal_cells: int | None,
    recipe: str | None,
    settings: Sequence[str],
) -> RetrainSpec:
    history = finished_history(RunPaths(run.directory))
    target = on or task
    wanted = retraining_experiment(
        run.experiment, settings, recipe=recipe, targets=(target,), registry=REGISTRY
    )
    architecture, origin = incumbent(history, task)
    return RetrainSpec(
        wanted.name,
        run.seed,
        wanted.threads,
        architecture,
        origin,
        target,
        wanted.task[target],
        _depth(normal_cells, wanted),
        wanted.retraining,
        wanted.precision,
    )


def _depth(normal_cells: int | None, experiment: Experiment) -> int:
    depth = max(experiment.retraining.normal_cells, default=0)
    depth = depth if normal_cells is None else normal_cells
    if depth < 1:
        found = "not given" if normal_cells is None else f"{normal_cells}"
        raise InputError(f"normal_cells is {found}, expected at least 1 between two reductions")
    return depth
