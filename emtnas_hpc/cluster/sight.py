"""What a run directory says of its seed by itself."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

from emtnas_hpc.cluster.marks import read_mark
from emtnas_hpc.cluster.plan import Limits
from emtnas_hpc.cluster.records import read_records
from emtnas_hpc.cluster.request import read_request
from emtnas_hpc.cluster.server_clock import server_now
from emtnas_hpc.cluster.starts import Starts, read_starts
from emtnas_hpc.cluster.state import Evidence
from emtnas_hpc.errors import DamagedError, EmtnasError
from emtnas_hpc.history import FILE_NAME
from emtnas_hpc.history.progress import SearchProgress, read_progress
from emtnas_hpc.search.run_directory import read_stored
from emtnas_hpc.store.owner import Owner, read_owner
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.reading import read_newest
from emtnas_hpc.store.takeover import Verdict, judge, observe

T = TypeVar("T")


@dataclass(frozen=True)
class Sight:
    """What was read of a run directory.

    Attributes:
        paths: of the run.
        evidence: of its state, as far as the directory has it.
        progress: of its search; None before the first commit, or where none can be read.
        n_generations: that it is to reach, where that can be read.
        restarts: by the id of every job that has begun, how often SLURM had requeued it.
        problems: what could not be read, in single lines.
        limits: of its jobs; None for one that was never launched.
    """

    paths: RunPaths
    evidence: Evidence = field(default_factory=Evidence)
    progress: SearchProgress | None = None
    n_generations: int | None = None
    restarts: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    limits: Limits | None = None

    @property
    def generation(self) -> int:
        """The newest that is committed; 0 before the first."""
        return self.progress.generation if self.progress else 0

    @property
    def seconds(self) -> float:
        """Of a generation; nan where none has been measured."""
        return self.progress.seconds if self.progress else math.nan


def look(directory: Path, me: Owner, now: float) -> Sight:
    """Reads a run directory; what cannot be read of it does not keep the rest from being read.

    Args:
        directory: of the run.
        me: this process, to tell whether an owner is of this machine.
        now: seconds since 1970 by the clock of the directory's file server.
    """
    paths, problems = RunPaths(directory), _Problems()
    progress = problems.unless(_progress, paths)
    n_generations = problems.unless(_n_generations, paths, progress)
    starts = problems.unless(read_starts, paths, now) or Starts(None, {})
    owner = problems.unless(read_owner, paths.owner)
    evidence = Evidence(
        finished=progress is not None and progress.generation == n_generations,
        cancelled=problems.unless(read_mark, paths.cancelled),
        failed=problems.unless(read_mark, paths.failed),
        owner=owner,
        owner_lives=_lives(owner, me) if owner else None,
        last=starts.last,
        records=tuple(problems.unless(read_records, paths.jobs) or ()),
    )
    limits = problems.unless(_limits, paths) if evidence.records else None
    lines = tuple(problems.lines)
    return Sight(paths, evidence, progress, n_generations, starts.restarts, lines, limits)


def look_at_all(directories: Iterable[Path], me: Owner) -> list[Sight]:
    """Reads run directories; the file server of a folder of them is asked for its time once."""
    now = cache(server_now)
    return [look(directory, me, now(directory.parent.parent)) for directory in directories]


class _Problems:
    """What went wrong so far."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def unless(self, read: Callable[..., T], *arguments: object) -> T | None:
        """What is read; None, and a line more, where it cannot be."""
        try:
            return read(*arguments)
        except EmtnasError as error:
            self.lines.append(str(error))
            return None


def _progress(paths: RunPaths) -> SearchProgress | None:
    stage = paths.stage("search")
    progress = read_newest(stage, FILE_NAME, read_progress)
    if progress is None and stage.steps():
        raise DamagedError(f"no commit has a good {FILE_NAME}; `emtnas-hpc run` says what is wrong")
    return progress


def _n_generations(paths: RunPaths, progress: SearchProgress | None) -> int | None:
    if progress:
        return progress.header.n_generations
    stored = read_stored(paths)
    return stored.experiment.search.generations if stored else None


def _limits(paths: RunPaths) -> Limits | None:
    request = read_request(paths.jobs)
    return Limits(request.limit_s, request.profile.lead_time_s) if request else None


def _lives(owner: Owner, me: Owner) -> bool | None:
    verdict = judge(owner, me, observe(owner))
    return {Verdict.TAKE: False, Verdict.REFUSE: True}.get(verdict)
