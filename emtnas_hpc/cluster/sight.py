"""What a run directory says of its seed by itself."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TypeVar

from emtnas_hpc.cluster.marks import read_mark
from emtnas_hpc.cluster.plan import Limits
from emtnas_hpc.cluster.records import read_records
from emtnas_hpc.cluster.request import read_request
from emtnas_hpc.cluster.server_clock import server_now
from emtnas_hpc.cluster.stages import (
    StageProgress,
    read_retraining_stage,
    read_search,
    retraining_ahead,
    search_stage,
    stage_names,
    under_way,
)
from emtnas_hpc.cluster.starts import Starts, read_starts
from emtnas_hpc.cluster.state import Evidence
from emtnas_hpc.errors import EmtnasError
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.history.progress import SearchProgress
from emtnas_hpc.search.run_directory import read_stored
from emtnas_hpc.store.owner import Owner, read_owner
from emtnas_hpc.store.paths import SEARCH, RunPaths
from emtnas_hpc.store.takeover import Verdict, judge, observe

T = TypeVar("T")


@dataclass(frozen=True)
class Sight:
    """What was read of a run directory.

    Attributes:
        paths: of the run.
        evidence: of its state, as far as the directory has it.
        progress: of its search; None before the first commit, or where none can be read.
        stages: all of the run, in the order in which they are done; at least one.
        restarts: by the id of every job that has begun, how often SLURM had requeued it.
        problems: what could not be read, in single lines.
        limits: of its jobs; None for one that was never launched, or is finished.
        warning: what its newest start had to say of where it runs, in a line; may be empty.
    """

    paths: RunPaths
    evidence: Evidence = field(default_factory=Evidence)
    progress: SearchProgress | None = None
    stages: tuple[StageProgress, ...] = (StageProgress(SEARCH),)
    restarts: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    limits: Limits | None = None
    warning: str = ""

    @property
    def under_way(self) -> StageProgress:
        """The stage that it is at; of a run that is done, the last."""
        return under_way(self.stages)

    @property
    def n_generations(self) -> int | None:
        """That the search is to reach; None where that cannot be read, or nothing is searched."""
        return next((stage.n_steps for stage in self.stages if stage.name == SEARCH), None)

    @property
    def generation(self) -> int:
        """The newest that is committed; 0 before the first."""
        return self.progress.generation if self.progress else 0

    @property
    def seconds(self) -> float:
        """Of a generation; nan where none has been measured."""
        return self.progress.seconds if self.progress else math.nan


def look(directory: Path, me: Owner, now: float, asked: Experiment | None = None) -> Sight:
    """Reads a run directory; what cannot be read of it does not keep the rest from being read.

    Args:
        directory: of the run.
        me: this process, to tell whether an owner is of this machine.
        now: seconds since 1970 by the clock of the directory's file server.
        asked: what the run is to be carried on with; None for what it says itself.
    """
    paths, problems = RunPaths(directory), _Problems()
    problems.unless(paths.refuse_shut)
    if problems.lines:
        [shut] = problems.lines
        records = tuple(problems.unless(read_records, paths.jobs) or ())
        evidence = Evidence(records=records, unreadable=shut)
        return Sight(paths, evidence, problems=tuple(problems.lines))
    progress = problems.unless(read_search, paths)
    stages = _stages(paths, progress, asked, problems)
    # What cannot be read may ask for more than is known to be done.
    finished = not problems.lines and all(stage.finished for stage in stages)
    # The owner first: whoever takes the run meanwhile is then no owner without a start.
    owner = problems.unless(read_owner, paths.owner)
    starts = problems.unless(read_starts, paths, now) or Starts(None, {})
    evidence = Evidence(
        finished=finished,
        cancelled=problems.unless(read_mark, paths.cancelled),
        failed=problems.unless(read_mark, paths.failed),
        owner=owner,
        owner_lives=_lives(owner, me) if owner else None,
        owner_silent_s=starts.silences.get(owner.token) if owner else None,
        last=starts.last,
        records=tuple(problems.unless(read_records, paths.jobs) or ()),
    )
    # Before the request of its jobs is read: that is no obstacle, a launch writes it anew.
    evidence = replace(evidence, unreadable=next(iter(problems.lines), ""))
    has_jobs = evidence.records and not evidence.finished
    limits = problems.unless(_limits, paths) if has_jobs else None
    lines = tuple(problems.lines)
    return Sight(paths, evidence, progress, stages, starts.restarts, lines, limits, starts.warning)


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
            if str(error) not in self.lines:
                self.lines.append(str(error))
            return None


def _stages(
    paths: RunPaths, search: SearchProgress | None, asked: Experiment | None, problems: _Problems
) -> tuple[StageProgress, ...]:
    stored = problems.unless(read_stored, paths)
    experiment = asked or (stored.experiment if stored else None)
    stages: list[StageProgress] = []
    for name in problems.unless(stage_names, paths, stored, experiment) or [SEARCH]:
        ahead = retraining_ahead(name, experiment)
        if name == SEARCH:
            stages.append(search_stage(search, experiment))
        elif stages and stages[0].name == SEARCH and not stages[0].finished:
            stages.append(ahead)  # nothing is trained from scratch before the search has ended
        else:
            read = problems.unless(read_retraining_stage, paths, name, experiment)
            stages.append(read or ahead)
    return tuple(stages)


def _limits(paths: RunPaths) -> Limits | None:
    request = read_request(paths.jobs)
    return Limits(request.limit_s, request.profile.lead_time_s) if request else None


def _lives(owner: Owner, me: Owner) -> bool | None:
    verdict = judge(owner, me, observe(owner))
    return {Verdict.TAKE: False, Verdict.REFUSE: True}.get(verdict)
