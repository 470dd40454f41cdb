"""A run as it was when it was loaded."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from emtnas_hpc.errors import InputError
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.export.exporting import divergence, load_plain
from emtnas_hpc.export.retrained import Retrained, retrainings_of
from emtnas_hpc.export.subjects import retrained_subject
from emtnas_hpc.history import FILE_NAME, History, read_history
from emtnas_hpc.history.retraining import Retraining, TestResult
from emtnas_hpc.notebook.arrays import SearchHistory, arrays_of
from emtnas_hpc.search.run_directory import read_stored
from emtnas_hpc.space.architecture import Architecture, decode
from emtnas_hpc.space.genotype import format_genotype
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.reading import read_committed

if TYPE_CHECKING:
    from torch import nn  # noqa: TID251 - a run is looked at without it


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
