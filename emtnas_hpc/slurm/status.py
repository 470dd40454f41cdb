"""Every seed at a glance: run directories, one call of squeue and at most one of sacct."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emtnas_hpc.checkpoint.ownership import this_process
from emtnas_hpc.checkpoint.paths import SEARCH
from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.slurm.estimate import (
    Ahead,
    Measure,
    SeedEstimate,
    estimate_seed,
    estimate_warnings,
    measure_stages,
    usable_seconds,
    work_ahead,
)
from emtnas_hpc.slurm.job_files import own_jobs
from emtnas_hpc.slurm.queue import Accounts, read_queue
from emtnas_hpc.slurm.reconcile import RunStatus, State, classify
from emtnas_hpc.slurm.snapshot import RunSnapshot, read_snapshots


@dataclass(frozen=True)
class SeedStatus:
    """A seed as a row of the table.

    Attributes:
        status: its state, why, and the job at work on it.
        n_jobs: that have begun.
        n_requeues: of all of them together.
        seconds: of a step of the active stage: measured here, else the median of its sibling
            seeds; nan if none.
        ahead: the work that is left of all stages.
        estimate: of its jobs; None where nothing has been measured, and of what has no jobs.
    """

    run: RunSnapshot
    status: RunStatus
    n_jobs: int
    n_requeues: int
    seconds: float
    ahead: Ahead
    estimate: SeedEstimate | None = None


@dataclass(frozen=True)
class StatusTable:
    """All seeds at one moment.

    Attributes:
        problems: what could not be read or asked, in single lines; not what a seed's state says.
        remark: what the table has to leave out, in a line; may be empty.
    """

    seeds: tuple[SeedStatus, ...]
    problems: tuple[str, ...]
    remark: str = ""

    @property
    def moves(self) -> bool:
        """Whether any of it may change without a command of the user's."""
        return any(seed.status.state.moves for seed in self.seeds)


def read_status_table(directories: Sequence[Path], accounts: Accounts | None = None) -> StatusTable:
    """Reads every run directory, and asks SLURM once for all of those that have jobs.

    A caller that reads the table again and again passes the same `accounts`.
    """
    accounts = accounts or Accounts()
    problems: list[str] = []
    runs = _with_jobs(read_snapshots(directories, this_process()), problems)
    left = {job_id for run in runs if (job_id := _unexplained_job(run)) is not None}
    if endings := accounts.endings(left):
        runs = [replace(run, endings=endings) for run in runs]
    seeds = tuple(_rows(runs))
    remark = f"how jobs ended is not known: {accounts.problem}" if left and accounts.problem else ""
    lines = (*_unread(seeds), *problems, *_hopeless(seeds))
    return StatusTable(seeds, lines, remark)


def _with_jobs(runs: Sequence[RunSnapshot], problems: list[str]) -> list[RunSnapshot]:
    """The runs with their jobs in the queue; None for those of which SLURM cannot tell."""
    if not any(run.records for run in runs):
        return list(runs)
    unasked: list[str] = []

    def note(error: SchedulerError) -> None:
        line = f"{error}; states are those of the run directories"
        if line not in unasked:
            unasked.append(line)

    queue = None
    try:
        queue = read_queue()
        problems += [queue.notice] if queue.notice else []
    except SchedulerError as error:
        note(error)
    joined = []
    for run in runs:
        jobs = None
        try:
            jobs = None if queue is None else own_jobs(run.records, queue)
        except SchedulerError as error:
            note(error)
        joined.append(replace(run, jobs=jobs))
    problems += unasked
    return joined


def _unexplained_job(run: RunSnapshot) -> str | None:
    """The newest job of a run on which nothing works, if only the accounts may know why."""
    status = classify(run)
    is_over = status.job is None and status.state in (State.LOST, State.FAILED, State.STOPPED)
    return run.newest_job if is_over and run.failed is None else None


def _rows(runs: Sequence[RunSnapshot]) -> Iterator[SeedStatus]:
    experiments: dict[Path, list[RunSnapshot]] = {}
    for run in runs:
        experiments.setdefault(run.paths.directory.parent, []).append(run)
    siblings = {folder: measure_stages(seeds) for folder, seeds in experiments.items()}
    for run in runs:
        paces = {**siblings[run.paths.directory.parent], **measure_stages([run])}
        restarts = _restarts(run)
        yield SeedStatus(
            run,
            classify(run),
            n_jobs=len(restarts),
            n_requeues=sum(restarts.values()),
            seconds=paces.get(run.active_stage.name, math.nan),
            ahead=work_ahead(run.stages, paces),
            estimate=_estimate(run, paces),
        )


def _estimate(run: RunSnapshot, paces: Mapping[str, float]) -> SeedEstimate | None:
    """Made anew from what has been measured."""
    search, pace = run.search, paces.get(SEARCH)
    if run.profile is None or search is None or search.n_steps is None or pace is None:
        return None
    retraining = work_ahead((stage for stage in run.stages if stage.name != SEARCH), paces)
    usable_s = usable_seconds(run.profile)
    return estimate_seed(
        search.step, search.n_steps, pace, usable_s, retraining_s=retraining.known_s
    )


def _restarts(run: RunSnapshot) -> Mapping[str, int]:
    """As the attempts tell it, and as the queue knows it of those jobs that are there."""
    restarts = dict(run.restarts)
    for job in run.jobs or ():
        if job.restarts or job.state != "PENDING":
            restarts[job.job_id] = max(job.restarts or 0, restarts.get(job.job_id, 0))
    return restarts


def _unread(seeds: Iterable[SeedStatus]) -> Iterator[str]:
    """What could not be read of a seed, but for what its state says already."""
    for seed in seeds:
        known = seed.status.reason if seed.status.state is State.UNREADABLE else ""
        for line in seed.run.problems:
            if line != known:
                yield f"{seed.run.paths.directory}: {line}"


def _hopeless(seeds: Iterable[SeedStatus]) -> Iterator[str]:
    """Seeds whose jobs are too short for a single generation."""
    for seed in seeds:
        if seed.estimate and seed.run.profile and seed.status.state.moves:
            pace = Measure(seed.seconds, "measured")
            for line in estimate_warnings([seed.estimate], pace, seed.run.profile, n_standby=0):
                yield f"{seed.run.paths.directory}: {line}"
