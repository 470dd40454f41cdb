"""What one seed of an experiment says: its settings, its search, its retrainings.

Only small files are opened: experiment.toml, attempts, and of the newest commits state.h5 and
record.json.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emtnas_hpc.errors import EmtnasError, StorageError
from emtnas_hpc.experiment import StoredExperiment, parse_stored
from emtnas_hpc.history import History
from emtnas_hpc.history.retraining import RECORD_NAME, Retraining, read_retraining
from emtnas_hpc.report.collect import SeedResult, newest_history, result_of
from emtnas_hpc.report.data_sets import Source, data_set
from emtnas_hpc.report.figures.trace import Trace, trace_of
from emtnas_hpc.runner.attempts import AttemptRecord, read_attempts
from emtnas_hpc.runner.provenance import committed
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.reading import read_committed
from emtnas_hpc.store.refusals import read_if_there


@dataclass(frozen=True)
class Run:
    """One seed of one experiment.

    Attributes:
        directory: of the run.
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
    history = _history(paths, problems, is_needed=not retrainings)
    stored = _stored(paths, problems, is_needed=history is not None)
    attempts = _attempts(paths, problems)
    return Run(
        directory,
        search=None if history is None else result_of(history, directory, attempts),
        settings={} if stored is None else dict(stored.identity.values),
        sources=() if stored is None else _sources(stored),
        retrainings=retrainings,
        attempts=committed(attempts),
        trace=None if history is None else trace_of(history),
    )


def _progress(run: Run) -> tuple[int, int]:
    generation = 0 if run.search is None else run.search.generation
    return generation, sum(retraining.finished for retraining in run.retrainings)


def _history(paths: RunPaths, problems: list[str], *, is_needed: bool) -> History | None:
    try:
        if is_needed or paths.search.steps():
            return newest_history(paths.directory)
    except StorageError as error:
        if is_needed:
            raise
        problems.append(f"search of {paths.directory}: {error}")
    return None


def _stored(paths: RunPaths, problems: list[str], *, is_needed: bool) -> StoredExperiment | None:
    try:
        content = read_if_there(paths.experiment)
        if content is not None:
            return parse_stored(content.decode(), str(paths.experiment))
        if is_needed:
            problems.append(
                f"settings of {paths.directory}: no experiment.toml, so it fits no table of the "
                "paper's; the command that made it writes it anew"
            )
    except UnicodeDecodeError as error:
        problems.append(f"settings of {paths.directory}: cannot be read: {error}")
    except EmtnasError as error:
        problems.append(f"settings of {paths.directory}: {error}")
    return None


def _attempts(paths: RunPaths, problems: list[str]) -> list[AttemptRecord]:
    """None where they cannot be read: what was found is known without the conditions of it."""
    try:
        return read_attempts(paths)
    except EmtnasError as error:
        problems.append(f"attempts of {paths.directory}: {error}")
        return []


def _sources(stored: StoredExperiment) -> tuple[Source, ...]:
    tasks = stored.experiment.task
    return tuple(Source.parse(tasks[name].source) for name in stored.experiment.tasks)


def _retrainings(paths: RunPaths, problems: list[str]) -> Iterable[Retraining]:
    try:
        stages = paths.retrainings()
    except EmtnasError as error:
        problems.append(f"retrainings of {paths.directory}: {error}")
        stages = []
    for stage in stages:
        try:
            record = read_committed(stage, RECORD_NAME, read_retraining)
        except EmtnasError as error:
            problems.append(f"{stage.directory}: {error}")
            continue
        if record is not None:
            yield record
