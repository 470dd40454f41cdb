"""What one seed of an experiment says: its settings, its search, its retrainings.

Only small files are opened: experiment.toml, attempts, manifests, and of the newest commits
state.h5 and record.json.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from emtnas_hpc.checkpoint.commits import newest_commit, read_committed
from emtnas_hpc.checkpoint.manifest import Summary
from emtnas_hpc.checkpoint.paths import HISTORY, RECORD, SEARCH, RunPaths
from emtnas_hpc.errors import EmtnasError, InputError, StorageError
from emtnas_hpc.report.data_sets import data_set
from emtnas_hpc.report.stats import drop_and_gap
from emtnas_hpc.retraining.record import Retraining, read_retraining
from emtnas_hpc.runner.attempts import AttemptRecord, condition_changes, read_attempts, with_commits
from emtnas_hpc.search.history import Header, History
from emtnas_hpc.search.history_arrays import SearchHistory, arrays_of
from emtnas_hpc.search.history_file import read_history
from emtnas_hpc.settings.names import StoredExperiment, read_stored
from emtnas_hpc.space.architecture import decode, format_genotype
from emtnas_hpc.space.counts import count_macs, count_parameters


@dataclass(frozen=True)
class TaskResult:
    """What one seed found for one task: its incumbent, and the seconds of all generations.

    Accuracies are in [0, 1]: the true ones on the whole validation set, that of generation 1's
    fittest among them, the sampled one on a mini-batch. Parameters are those of the search's
    network, output slices in use. `mean_drop` and `mean_gap` are what `drop_and_gap` says of the
    fittest of all generations. `diverged_in` is the first generation whose training loss is no
    finite number, None if all are.
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
    seconds_true_fitness: float
    mean_drop: float
    mean_gap: float
    genotype: str
    diverged_in: int | None


@dataclass(frozen=True)
class SeedResult:
    """What one seed found, up to its newest commit.

    Attributes:
        condition_changes: under which it was carried on, so that equal bits are not promised.
        tasks: in order of skill factor; none where only the manifest was read.
        arrays: all individuals and generations; None likewise.
    """

    directory: Path
    header: Header
    generation: int
    condition_changes: tuple[str, ...]
    tasks: tuple[TaskResult, ...] = ()
    arrays: SearchHistory | None = field(default=None, compare=False, repr=False)

    @property
    def diverged(self) -> tuple[str, ...]:
        """Each task whose training loss did, with the first such generation."""
        return tuple(
            f"{result.task} in generation {result.diverged_in}"
            for result in self.tasks
            if result.diverged_in is not None
        )

    def values(self) -> dict[str, Any]:
        """All of it but the arrays, as plain values."""
        header = self.header
        return {
            "directory": self.directory,
            "name": header.name,
            "seed": header.seed,
            "signature": header.signature,
            "experiment_signature": header.experiment_signature,
            "generation": self.generation,
            "n_generations": header.n_generations,
            "batch_norm": header.batch_norm,
            "condition_changes": self.condition_changes,
            "tasks": list(map(asdict, self.tasks)),
        }


@dataclass(frozen=True)
class Run:
    """One seed of one experiment.

    Attributes:
        search: what it found so far; None where there is none, only retrainings.
        own_tasks: of the search, by skill factor, as the experiment calls them.
        settings: by dotted name, those that can change the search's result; empty if unknown.
        sources: where each task's images come from: kind and name; empty if unknown.
        retrainings: in order of their directories.
        attempts: the starts that committed something.
    """

    directory: Path
    search: SeedResult | None = None
    own_tasks: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    retrainings: tuple[Retraining, ...] = ()
    attempts: tuple[AttemptRecord, ...] = ()

    @property
    def seed(self) -> int:
        """The seed of its search, or of its retrainings."""
        return (self.retrainings[0] if self.search is None else self.search).header.seed

    @property
    def tasks(self) -> tuple[str, ...]:
        """The data sets that were searched on, by the names that the tables know."""
        return tuple(map(data_set, self.own_tasks, self.sources)) or self.own_tasks

    @property
    def finished(self) -> bool:
        """Whether the search has come to its end."""
        return (
            self.search is not None and self.search.generation == self.search.header.n_generations
        )

    @property
    def incumbents_retrained(self) -> tuple[Retraining, ...]:
        """The retrainings of what its own search found, in the end."""
        if self.search is None:
            return ()
        signature = self.search.header.signature
        found = {(signature, task.task, task.incumbent) for task in self.search.tasks}
        return tuple(
            retraining
            for retraining in self.retrainings
            for header in [retraining.header]
            if (header.search_signature, header.found_on, header.individual) in found
        )

    def known_task(self, task: str) -> str:
        """One of its tasks by the name that the tables know; another data set as it is called."""
        return dict(zip(self.own_tasks, self.tasks, strict=True)).get(task, task)

    def conditions(self, stage: str | None = None) -> tuple[Mapping[str, Any], ...]:
        """Hardware and versions of every start that committed something (of a stage)."""
        return tuple(attempt.provenance for attempt in with_commits(self.attempts, stage))

    def diverged(self, task: str | None = None) -> bool:
        """Whether the training loss of the search did, for a task by its own name or for any."""
        results = () if self.search is None else self.search.tasks
        return any(r.diverged_in is not None for r in results if task in (None, r.task))

    def is_result(self, retraining: Retraining) -> bool:
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


def read_runs(directories: Sequence[Path], *, every_seed: bool = True) -> Runs:
    """Reads run directories; of one search in two places, the one that came further counts.

    Args:
        directories: of the runs.
        every_seed: whether a seed that is not finished is wanted with all that it found; without
            it, one beside a finished seed of its experiment is known by its manifest alone.
    """
    unfinished = {} if every_seed else _unfinished(directories)
    problems: dict[Path, list[str]] = {directory: [] for directory in directories}
    read: dict[Path, Run] = {}
    finished: set[str] = set()
    # The finished ones first: only beside one of them is the manifest of another enough.
    for directory in sorted(directories, key=unfinished.__contains__):
        progress = unfinished.get(directory)
        if progress is not None and progress.experiment_signature not in finished:
            progress = None
        try:
            run = read[directory] = read_run(directory, problems[directory], progress)
        except EmtnasError as error:
            # Of a run that cannot be read at all, this says all.
            problems[directory] = [f"{directory}: {error}"]
        else:
            if run.search is not None and run.finished:
                finished.add(run.search.header.experiment_signature)
    found: dict[object, Run] = {}
    for directory in filter(read.__contains__, problems):
        run = read[directory]
        key = directory if run.search is None else run.search.header.signature
        if (known := found.setdefault(key, run)) is not run:
            further, other = sorted((known, run), key=_progress, reverse=True)
            found[key] = further
            problems[directory].append(f"{other.directory}: the same search as {further.directory}")
    return Runs(tuple(found.values()), tuple(chain.from_iterable(problems.values())))


def read_run(directory: Path, problems: list[str], progress: Summary | None = None) -> Run:
    """Reads one run directory; what is wrong with a part of it is added to the problems.

    Where the progress of its search is given, nothing more is read of that.

    Raises:
        InputError: nothing has been committed yet.
        DamagedError: the search has commits, and none that can be read.
        StorageError: the search cannot be read, and there is no retraining that can.
    """
    paths = RunPaths(directory)
    paths.refuse_shut()
    retrainings = _retrainings(paths, problems)
    history = stored = search = None
    try:
        if progress is None and (not retrainings or paths.search.steps()):
            history = newest_history(directory)
    except StorageError as error:
        if not retrainings:
            raise
        problems.append(f"search of {directory}: {error}")
    with _noting(problems, f"settings of {directory}"):
        stored = _stored(paths, is_needed=history is not None or progress is not None)
    attempts: list[AttemptRecord] = []
    with _noting(problems, f"attempts of {directory}"):
        attempts = read_attempts(paths)
    if progress is not None and stored is None:
        history = newest_history(directory)
    changes = condition_changes(attempts)
    own_tasks: Sequence[str] = ()
    if history is not None:
        own_tasks = [task.name for task in history.header.tasks]
        search = SeedResult(
            directory,
            history.header,
            history.generation,
            changes,
            tasks=tuple(task_result(history, task) for task in range(len(own_tasks))),
            arrays=arrays_of(history),
        )
    elif progress is not None and stored is not None:
        own_tasks = stored.experiment.tasks
        search = SeedResult(directory, _header(stored, progress), progress.step, changes)
    return Run(
        directory,
        search=search,
        own_tasks=tuple(own_tasks),
        settings={} if stored is None else dict(stored.identity.values),
        sources=() if stored is None else _sources(stored),
        retrainings=tuple(retrainings),
        attempts=with_commits(attempts),
    )


def newest_history(directory: Path) -> History:
    """The history of a run's search from the newest commit that still has it good.

    Raises:
        InputError: nothing has been committed yet.
        DamagedError: no commit has it good.
    """
    history = read_committed(RunPaths(directory).search, HISTORY, read_history)
    if history is None:
        raise InputError("nothing has been committed yet")
    return history


def task_result(history: History, task: int) -> TaskResult:
    """What a history says of one task."""
    header = history.header.tasks[task]
    entries = [generation.tasks[task] for generation in history.generations]
    incumbent = history.incumbent(task)
    architecture = decode(incumbent.chromosome)
    seen = [history.individuals[entry.fittest].fitness for entry in entries]
    drop, gap = drop_and_gap([entry.true_fitness for entry in entries], seen)
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
        seconds_true_fitness=sum(entry.seconds_true_fitness for entry in entries),
        mean_drop=drop,
        mean_gap=gap,
        genotype=format_genotype(architecture),
        diverged_in=history.diverged_in(task),
    )


def _unfinished(directories: Iterable[Path]) -> dict[Path, Summary]:
    """How far each search is that is not finished, by its newest manifest.

    Not among them, and so read as a whole: one that diverged, as networks retrained from it count
    no more, and one from before manifests had a summary.
    """
    found = {}
    for directory in directories:
        # What cannot be read says so when it is.
        with suppress(EmtnasError):
            commit = newest_commit(RunPaths(directory).search)
            summary = None if commit is None else commit.manifest.summary
            if summary is None or summary.finished:
                continue
            if not any(task.diverged for task in summary.tasks.values()):
                found[directory] = summary
    return found


@contextmanager
def _noting(problems: list[str], what: str) -> Iterator[None]:
    """A part of a run that cannot be read is named; the others are read without it."""
    try:
        yield
    except EmtnasError as error:
        problems.append(f"{what}: {error}")


def _header(stored: StoredExperiment, progress: Summary) -> Header:
    """What holds for a whole search, without what only its history says of its tasks."""
    return Header(
        name=stored.experiment.name,
        seed=stored.seed,
        n_generations=progress.n_steps,
        batch_norm=stored.experiment.evaluation.batch_norm,
        signature=stored.signatures[SEARCH],
        experiment_signature=progress.experiment_signature,
        tasks=(),
    )


def _progress(run: Run) -> tuple[int, int]:
    generation = 0 if run.search is None else run.search.generation
    return generation, sum(retraining.finished for retraining in run.retrainings)


def _stored(paths: RunPaths, *, is_needed: bool) -> StoredExperiment | None:
    stored = read_stored(paths)
    if stored is None and is_needed:
        raise InputError(
            "no experiment.toml, so it fits no table of the paper's; the command that made it "
            "writes it anew"
        )
    return stored


def _sources(stored: StoredExperiment) -> tuple[str, ...]:
    """Kind and name of every task's source; of a path only the last part is kept."""
    parts = (stored.experiment.task[name].source.partition(":") for name in stored.experiment.tasks)
    return tuple(f"{kind}:{name.rstrip('/').rpartition('/')[2]}" for kind, _, name in parts)


def _retrainings(paths: RunPaths, problems: list[str]) -> list[Retraining]:
    """The newest record of every retraining; of one in two folders, the one that came further."""
    found: dict[Path, Retraining] = {}
    with _noting(problems, f"retrainings of {paths.directory}"):
        for stage in paths.retrainings():
            with _noting(problems, str(stage.directory)):
                record = read_committed(stage, RECORD, read_retraining)
                if record is not None:
                    found[stage.directory] = record
    once: dict[str, Path] = {}
    for folder in sorted(found, key=lambda folder: -len(found[folder].epochs)):
        known = once.setdefault(found[folder].header.signature, folder)
        if known is not folder:
            problems.append(f"{folder}: the same retraining as {known}")
    return [record for folder, record in found.items() if folder in once.values()]
