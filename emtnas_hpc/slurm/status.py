"""Every seed at a glance: run directories joined with one squeue call and at most one of sacct."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emtnas_hpc.checkpoint.ownership import this_process
from emtnas_hpc.checkpoint.paths import SEARCH
from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.slurm.cancel import once
from emtnas_hpc.slurm.estimate import Measure, SeedPlan, plan_seed, warnings
from emtnas_hpc.slurm.queue import Accounts, QueuedJob, read_queue
from emtnas_hpc.slurm.reconcile import RunStatus, State, classify, own_jobs
from emtnas_hpc.slurm.slurm import Say
from emtnas_hpc.slurm.snapshot import Ahead, RunSnapshot, measure_stages, read_snapshots, work_ahead


@dataclass(frozen=True)
class SeedStatus:
    """A seed as a row of the table.

    Attributes:
        sight: what its directory says.
        standing: its state, why, and the job that carries it.
        n_jobs: that have begun.
        n_requeues: of all of them together.
        seconds: of a step of the stage under way: measured here, else the median of its sibling
            seeds; nan if none.
        ahead: the work that is left of all stages.
        plan: of what is ahead of it; None where nothing has been measured, and of what has no jobs.
    """

    sight: RunSnapshot
    standing: RunStatus
    n_jobs: int
    n_requeues: int
    seconds: float
    ahead: Ahead
    plan: SeedPlan | None = None


@dataclass(frozen=True)
class StatusTable:
    """All seeds at one moment.

    Attributes:
        seeds: each of them.
        problems: what could not be read or asked, in single lines; not what a seed's state says.
        remark: what the table has to leave out, in a line; may be empty.
    """

    seeds: tuple[SeedStatus, ...]
    problems: tuple[str, ...]
    remark: str = ""

    @property
    def moves(self) -> bool:
        """Whether any of it may change without anybody's doing."""
        return any(seed.standing.state.moves for seed in self.seeds)


def read_status_table(directories: Sequence[Path], accounts: Accounts | None = None) -> StatusTable:
    """Looks at every run directory, and asks SLURM once for all of those that have jobs.

    Args:
        directories: of the runs.
        accounts: of SLURM; the same ones for those who look again and again.
    """
    accounts = accounts or Accounts()
    sights = read_snapshots(directories, this_process())
    unasked: list[str] = []
    queue: list[QueuedJob] | None = []
    if any(sight.evidence.records for sight in sights):
        try:
            queue = read_queue(unasked.append)
        except SchedulerError as error:
            queue = None
            unasked.append(_of_directories(error))
    say = once(unasked.append)
    sights = [_joined(sight, queue, say) for sight in sights]
    standings = [classify(sight.evidence) for sight in sights]
    left = _left_the_queue(sights, standings)
    if endings := accounts.endings(left):
        standings = [classify(replace(sight.evidence, endings=endings)) for sight in sights]
    rows = _rows(sights, standings)
    remark = f"how jobs ended is not known: {accounts.problem}" if left and accounts.problem else ""
    problems = (*_unsaid(rows), *unasked, *_hopeless(rows))
    return StatusTable(rows, problems, remark)


def _of_directories(error: SchedulerError) -> str:
    return f"{error}; states are those of the run directories"


def _unsaid(rows: Iterable[SeedStatus]) -> Iterable[str]:
    """What could not be read of a seed, but for what its state says already."""
    for row in rows:
        said = row.standing.reason if row.standing.state is State.UNREADABLE else ""
        for line in row.sight.problems:
            if line != said:
                yield f"{row.sight.paths.directory}: {line}"


def _hopeless(rows: Iterable[SeedStatus]) -> Iterable[str]:
    """Seeds whose jobs are too short for a single generation."""
    for row in rows:
        if row.plan and row.sight.limits and row.standing.state.moves:
            pace = Measure(row.seconds, "measured")
            for line in warnings(pace, row.sight.limits, [row.plan], spares=0):
                yield f"{row.sight.paths.directory}: {line}"


def _joined(sight: RunSnapshot, queue: Sequence[QueuedJob] | None, say: Say) -> RunSnapshot:
    """What the directory says, with its jobs in the queue; None where that cannot be read."""
    jobs = None
    try:
        jobs = None if queue is None else own_jobs(sight.evidence.records, queue)
    except SchedulerError as error:
        say(_of_directories(error))
    return replace(sight, evidence=replace(sight.evidence, jobs=jobs))


def _left_the_queue(sights: Sequence[RunSnapshot], standings: Sequence[RunStatus]) -> set[str]:
    """The newest jobs of seeds that nobody carries, and nobody knows why: the accounts may."""
    return {
        job_id
        for sight, standing in zip(sights, standings, strict=True)
        if standing.job is None and standing.state in (State.LOST, State.FAILED, State.STOPPED)
        if sight.evidence.failed is None
        if (job_id := sight.evidence.newest_job) is not None
    }


def _rows(sights: Sequence[RunSnapshot], standings: Sequence[RunStatus]) -> tuple[SeedStatus, ...]:
    siblings = _paces_by_experiment(sights)
    return tuple(
        _row(sight, standing, siblings[sight.paths.directory.parent])
        for sight, standing in zip(sights, standings, strict=True)
    )


def _row(sight: RunSnapshot, standing: RunStatus, siblings: Mapping[str, float]) -> SeedStatus:
    restarts = _restarts(sight)
    paces = {**siblings, **measure_stages([sight])}
    return SeedStatus(
        sight,
        standing,
        n_jobs=len(restarts),
        n_requeues=sum(restarts.values()),
        seconds=paces.get(sight.under_way.name, math.nan),
        ahead=work_ahead(sight.stages, paces),
        plan=_plan(sight, paces),
    )


def _plan(sight: RunSnapshot, paces: Mapping[str, float]) -> SeedPlan | None:
    """Planned anew from what has been measured."""
    total, pace = sight.n_generations, paces.get(SEARCH)
    if sight.limits is None or total is None or pace is None:
        return None
    ahead = work_ahead((stage for stage in sight.stages if stage.name != SEARCH), paces)
    return plan_seed(sight.generation, total, pace, sight.limits, ahead.known_s)


def _paces_by_experiment(sights: Iterable[RunSnapshot]) -> Mapping[Path, Mapping[str, float]]:
    experiments: dict[Path, list[RunSnapshot]] = {}
    for sight in sights:
        experiments.setdefault(sight.paths.directory.parent, []).append(sight)
    return {folder: measure_stages(seeds) for folder, seeds in experiments.items()}


def _restarts(sight: RunSnapshot) -> Mapping[str, int]:
    """As the attempts tell it, and as the queue knows it of those jobs that are there."""
    restarts = dict(sight.restarts)
    for job in sight.evidence.jobs or ():
        if job.restarts or job.state != "PENDING":
            restarts[job.job_id] = max(job.restarts or 0, restarts.get(job.job_id, 0))
    return restarts
