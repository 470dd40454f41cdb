"""What one seed of an experiment says: its settings, its search, its retrainings.

Only small files are opened: experiment.toml, attempts, and of the newest commits state.h5 and
record.json.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emtnas_hpc.checkpoint.commits import read_committed
from emtnas_hpc.checkpoint.paths import RunPaths, StagePaths
from emtnas_hpc.errors import EmtnasError, InputError, StorageError
from emtnas_hpc.report.search_arrays import Trace, trace_of
from emtnas_hpc.retraining.record import RECORD_NAME, Retraining, read_retraining
from emtnas_hpc.runner.attempts import AttemptRecord, committed, condition_changes, read_attempts
from emtnas_hpc.search.history import History
from emtnas_hpc.search.history_file import FILE_NAME, read_history
from emtnas_hpc.settings.names import StoredExperiment, read_stored
from emtnas_hpc.space.architecture import decode, format_genotype
from emtnas_hpc.space.counts import count_macs, count_parameters


@dataclass(frozen=True)
class TaskResult:
    """What one seed found for one task.

    Attributes:
        incumbent: id of the individual with the best true fitness.
        true_fitness: of the incumbent when it was measured, on the whole validation set, [0, 1].
        first_true_fitness: of the fittest of generation 1.
        sampled_accuracy: of the incumbent, on one mini-batch, in [0, 1].
        parameters: of the incumbent in the search's network, output slices in use.
        macs: of the incumbent, convolutions and classifier, for one image.
        seconds_training: sum over generations; likewise the other two.
        diverged_in: the first generation whose training loss is no finite number, None if all are.
    """

    task: str
    incumbent: int
    true_fitness: float
    first_true_fitness: float
    sampled_accuracy: float
    parameters: int
    macs: int
    seconds_training: float
    seconds_evaluation: float
    seconds_search: float
    genotype: str
    diverged_in: int | None


@dataclass(frozen=True)
class SeedResult:
    """What one seed found, up to its newest commit.

    Attributes:
        name: of the experiment.
        generation: of the newest commit.
        batch_norm: mode in which accuracies were measured.
        condition_changes: under which it was carried on, so that equal bits are not promised.
        tasks: in order of skill factor.
    """

    directory: Path
    name: str
    seed: int
    signature: str
    experiment_signature: str
    generation: int
    n_generations: int
    batch_norm: str
    condition_changes: tuple[str, ...]
    tasks: tuple[TaskResult, ...]

    @property
    def diverged(self) -> tuple[str, ...]:
        """Each task whose training loss did, with the first such generation."""
        return tuple(
            f"{result.task} in generation {result.diverged_in}"
            for result in self.tasks
            if result.diverged_in is not None
        )


def newest_history(directory: Path) -> History:
    """The history of a run's search from the newest commit that still has it good.

    Raises:
        InputError: nothing has been committed yet.
        DamagedError: no commit has it good.
    """
    history = read_committed(RunPaths(directory).search, FILE_NAME, read_history)
    if history is None:
        raise InputError("nothing has been committed yet")
    return history


def task_result(history: History, task: int) -> TaskResult:
    """What a history says of one task."""
    header = history.header.tasks[task]
    entries = [generation.tasks[task] for generation in history.generations]
    incumbent = history.incumbent(task)
    architecture = decode(incumbent.chromosome)
    return TaskResult(
        task=header.name,
        incumbent=incumbent.id,
        true_fitness=history.best_true_fitness(task),
        first_true_fitness=entries[0].true_fitness,
        sampled_accuracy=incumbent.sampled_accuracy,
        parameters=count_parameters(architecture, header.shape),
        macs=count_macs(architecture, header.shape),
        seconds_training=sum(entry.seconds_training for entry in entries),
        seconds_evaluation=sum(entry.seconds_evaluation for entry in entries),
        seconds_search=sum(entry.seconds_search for entry in entries),
        genotype=format_genotype(architecture),
        diverged_in=history.diverged_in(task),
    )


#: As the paper's column headings have them.
_HEADINGS = {
    "cifar10": "C-10",
    "cifar100": "C-100",
    "pathmnist": "Path",
    "organamnist": "Organ_A",
    "organcmnist": "Organ_C",
    "organsmnist": "Organ_S",
    "imagenet": "ImageNet",
}
#: MedMNIST's others, as the paper shortens its own.
_OTHER_MEDICAL = ("Blood", "Breast", "Chest", "Derma", "OCT", "Pneumonia", "Retina", "Tissue")
_MEDICAL = {f"{name.lower()}mnist": name for name in _OTHER_MEDICAL}
_TORCHVISION = {"CIFAR10": "cifar10", "CIFAR100": "cifar100"}


@dataclass(frozen=True)
class Source:
    """Where images come from: `torchvision:CIFAR10` is kind and name."""

    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "Source":
        """Reads a task's source; of a path only the last part is kept."""
        kind, _, name = text.partition(":")
        return cls(kind, name.rstrip("/").rpartition("/")[2])

    @property
    def official(self) -> str | None:
        """The known data set that this is; None for anybody's own images."""
        if self.kind == "medmnist":
            return self.name.lower()
        return _TORCHVISION.get(self.name) if self.kind == "torchvision" else None


def data_set(task: str, source: Source) -> str:
    """The data set behind a task: a known one by its source, else what the task is called."""
    return source.official or task


def heading(name: str) -> str:
    """A data set's name in a heading."""
    return (_HEADINGS | _MEDICAL).get(name, name)


def is_impostor(task: str, source: Source) -> bool:
    """Whether a task has the name of a data set of the paper, but other images."""
    return task in _HEADINGS and task != "imagenet" and source.official != task


def is_medical(name: str, source: Source) -> bool:
    """Whether it is one of MedMNIST's."""
    return source.kind == "medmnist" or (name in _HEADINGS and name.endswith("mnist"))


@dataclass(frozen=True)
class Run:
    """One seed of one experiment.

    Attributes:
        search: what it found so far; None where there is none, only retrainings.
        settings: by dotted name, those that can change the search's result; empty if unknown.
        sources: where each task's images come from, by skill factor; empty if unknown.
        retrainings: in order of their directories.
        attempts: the starts that committed something.
        trace: of the search, for the figures; None where there is none.
    """

    directory: Path
    search: SeedResult | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    retrainings: tuple[Retraining, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()
    trace: Trace | None = field(default=None, compare=False, repr=False)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The data sets that were searched on, by the names that the tables know."""
        if self.search is None:
            return ()
        names = tuple(task.task for task in self.search.tasks)
        if not self.sources:
            return names
        return tuple(map(data_set, names, self.sources))

    def conditions(self, stage: str | None = None) -> tuple[Mapping[str, Any], ...]:
        """Hardware and versions of every start that committed something (of a stage)."""
        return tuple(attempt.provenance for attempt in committed(self.attempts, stage))

    @property
    def finished(self) -> bool:
        """Whether the search has come to its end."""
        return self.search is not None and self.search.generation == self.search.n_generations

    def diverged(self, task: str | None = None) -> bool:
        """Whether the training loss of the search did, for a task by its own name or for any."""
        results = () if self.search is None else self.search.tasks
        return any(r.diverged_in is not None for r in results if task in (None, r.task))

    def counts(self, retraining: Retraining) -> bool:
        """Whether a retraining is a result: neither it nor the search of its architecture diverged.

        A network of a search that diverged is trained as well as any other, but its architecture is
        not what that search would have found.
        """
        found_on = retraining.header.found_on
        return not (retraining.diverged or (found_on is not None and self.diverged(found_on)))


@dataclass(frozen=True)
class Runs:
    """The readable runs, and why each of the others is not among them."""

    runs: tuple[Run, ...]
    problems: tuple[str, ...]


def read_runs(directories: Sequence[Path]) -> Runs:
    """Reads run directories; of one search in two places, the one that came further counts."""
    found: dict[object, Run] = {}
    problems: list[str] = []
    for directory in directories:
        about: list[str] = []
        try:
            run = read_run(directory, about)
        except EmtnasError as error:
            # Of a run that cannot be read at all, this says all.
            problems.append(f"{directory}: {error}")
            continue
        problems += about
        key = directory if run.search is None else run.search.signature
        known = found.setdefault(key, run)
        if known is not run:
            further, other = sorted((known, run), key=_progress, reverse=True)
            found[key] = further
            problems.append(f"{other.directory}: the same search as {further.directory}")
    return Runs(tuple(found.values()), tuple(problems))


def read_run(directory: Path, problems: list[str]) -> Run:
    """Reads one run directory; what is wrong with a part of it is added to the problems.

    Raises:
        InputError: nothing has been committed yet.
        DamagedError: the search has commits, and none that can be read.
        StorageError: the search cannot be read, and there is no retraining that can.
    """
    paths = RunPaths(directory)
    paths.refuse_shut()
    retrainings = tuple(_retrainings(paths, problems))
    history = None
    if not retrainings:
        history = newest_history(directory)
    else:
        with _noting(problems, f"search of {directory}", StorageError):
            if paths.search.steps():
                history = newest_history(directory)
    stored = None
    with _noting(problems, f"settings of {directory}"):
        stored = read_stored(paths)
        if stored is None and history is not None:
            raise InputError(
                "no experiment.toml, so it fits no table of the paper's; the command that made it "
                "writes it anew"
            )
    attempts: list[AttemptRecord] = []
    with _noting(problems, f"attempts of {directory}"):
        attempts = read_attempts(paths)
    return Run(
        directory,
        search=None if history is None else _seed_result(history, directory, attempts),
        settings={} if stored is None else dict(stored.identity.values),
        sources=() if stored is None else _sources(stored),
        retrainings=retrainings,
        attempts=committed(attempts),
        trace=None if history is None else trace_of(history),
    )


@contextmanager
def _noting(
    problems: list[str], what: str, kind: type[EmtnasError] = EmtnasError
) -> Iterator[None]:
    """A part of a run that cannot be read is named; the others are read without it."""
    try:
        yield
    except kind as error:
        problems.append(f"{what}: {error}")


def _seed_result(
    history: History, directory: Path, attempts: Iterable[AttemptRecord]
) -> SeedResult:
    header = history.header
    return SeedResult(
        directory=directory,
        name=header.name,
        seed=header.seed,
        signature=header.signature,
        experiment_signature=header.experiment_signature,
        generation=history.generation,
        n_generations=header.n_generations,
        batch_norm=header.batch_norm,
        condition_changes=condition_changes(attempts),
        tasks=tuple(task_result(history, task) for task in range(len(header.tasks))),
    )


def _progress(run: Run) -> tuple[int, int]:
    generation = 0 if run.search is None else run.search.generation
    return generation, sum(retraining.finished for retraining in run.retrainings)


def _sources(stored: StoredExperiment) -> tuple[Source, ...]:
    tasks = stored.experiment.task
    return tuple(Source.parse(tasks[name].source) for name in stored.experiment.tasks)


def _retrainings(paths: RunPaths, problems: list[str]) -> Iterator[Retraining]:
    stages: Sequence[StagePaths] = ()
    with _noting(problems, f"retrainings of {paths.directory}"):
        stages = paths.retrainings()
    for stage in stages:
        with _noting(problems, str(stage.directory)):
            record = read_committed(stage, RECORD_NAME, read_retraining)
            if record is not None:
                yield record
