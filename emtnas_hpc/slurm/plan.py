"""What a launch would do: what becomes of each seed, and how long it all takes. Changes nothing."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from emtnas_hpc.checkpoint.os_errors import is_folder
from emtnas_hpc.checkpoint.ownership import this_process
from emtnas_hpc.checkpoint.paths import SEARCH, StagePaths, runs_of
from emtnas_hpc.errors import InputError, StorageError
from emtnas_hpc.pipeline import TrainingImages, open_transfers
from emtnas_hpc.runner.context import log_to
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.session import RunSpec
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.slurm.estimate import (
    Limits,
    Measure,
    SeedPlan,
    disk_need,
    guess_epochs,
    plan_seed,
    warnings,
)
from emtnas_hpc.slurm.launch import Seed, judge, see
from emtnas_hpc.slurm.profile import Profile, Resolved
from emtnas_hpc.slurm.queue import QueuedJob
from emtnas_hpc.slurm.reconcile import Action, Decision, State
from emtnas_hpc.slurm.site import check_acceptance, memory_hint
from emtnas_hpc.slurm.snapshot import (
    RunSnapshot,
    measure_commits,
    measure_pace,
    measure_stages,
    read_snapshot,
    work_ahead,
)
from emtnas_hpc.slurm.submit import sbatch_text


@dataclass(frozen=True)
class Forecast:
    """What is ahead of a seed.

    Attributes:
        plan: jobs and seconds, retraining included.
        guessed: retrainings that are left, and of which no epoch has been measured.
        guessed_s: seconds of those.
        disk_bytes: that its run directory will take besides what it has.
    """

    plan: SeedPlan
    guessed: tuple[str, ...]
    guessed_s: float
    disk_bytes: float


@dataclass(frozen=True)
class Measurements:
    """What an outlook goes by.

    Attributes:
        experiment: whose seeds.
        limits: of each of their jobs.
        pace: seconds of a generation.
        measured: seconds of a step by the name of the stage; of the search always.
        guessed: seconds of an epoch by the name of the retraining, measured or not.
        commits: bytes of a commit by the name of the stage.
    """

    experiment: Experiment
    limits: Limits
    pace: Measure
    measured: Mapping[str, float]
    guessed: Mapping[str, float]
    commits: Mapping[str, Measure]

    def outlook(self, sight: RunSnapshot) -> Forecast:
        """What is ahead of one of the seeds."""
        retrainings = [stage for stage in sight.stages if stage.name != SEARCH]
        measured = work_ahead(retrainings, self.measured)
        ahead = work_ahead(retrainings, {**self.guessed, **self.measured})
        plan = plan_seed(
            sight.generation,
            self.experiment.search.generations,
            self.measured[SEARCH],
            self.limits,
            ahead.known_s,
        )
        guessed_s = ahead.known_s - measured.known_s
        return Forecast(plan, measured.unmeasured, guessed_s, self._disk(sight))

    def _disk(self, sight: RunSnapshot) -> float:
        left = [stage.name for stage in sight.stages if not stage.finished]
        stages = [
            (self.commits[name].value, _n_commits(sight.paths.stage(name)))
            for name in left
            if name in self.commits
        ]
        return disk_need(stages, self.experiment.run.keep_commits)


def read_measurements(
    experiment: Experiment,
    profile: Profile,
    plan: SearchPlan | None,
    transfers: Mapping[str, TrainingImages],
    sights: Sequence[RunSnapshot],
) -> Measurements:
    """Gathers it.

    Args:
        experiment: whose seeds.
        profile: what their jobs ask for.
        plan: of one of them; None where nothing is left of any.
        transfers: images of the data sets that the plan does not search on, by name.
        sights: of all seeds that there are, asked for or not.
    """
    pace = measure_pace(sights, plan.identity.experiment_signature if plan else "")
    return Measurements(
        experiment,
        Limits(60.0 * profile.time, profile.lead_time_s),
        pace,
        {**measure_stages(sights), SEARCH: pace.value},
        guess_epochs(experiment, plan.header().tasks, transfers, pace.value) if plan else {},
        measure_commits(sights, experiment),
    )


def _n_commits(stage: StagePaths) -> int:
    """Commits that are there; none where nobody can tell, and where nothing is submitted either."""
    try:
        return len(stage.steps())
    except StorageError:
        return 0


@dataclass(frozen=True)
class PlannedSeed:
    """What would become of a seed.

    Attributes:
        seed: which.
        decision: what would be done about it.
        plan: what is ahead of it.
        guessed: retrainings that are left, and that the plan can only guess.
        guessed_s: seconds of those.
        disk_bytes: that its run directory will take besides what it has.
    """

    seed: Seed
    decision: Decision
    plan: SeedPlan
    guessed: tuple[str, ...] = ()
    guessed_s: float = 0.0
    disk_bytes: float = 0.0


@dataclass(frozen=True)
class LaunchPlan:
    """What would become of seeds of one experiment.

    Attributes:
        experiment: theirs.
        resolved: what their jobs ask for, and why.
        pace: seconds of a generation.
        commit: bytes of a commit of the search.
        seeds: each of them.
        warnings: what will not work out, in single lines.
    """

    experiment: Experiment
    resolved: Resolved
    pace: Measure
    commit: Measure
    seeds: tuple[PlannedSeed, ...]
    warnings: tuple[str, ...]

    @property
    def submitted(self) -> tuple[PlannedSeed, ...]:
        """Those that would be submitted."""
        return tuple(seed for seed in self.seeds if seed.decision.action is Action.SUBMIT)

    @property
    def disk_bytes(self) -> float:
        """What the run directories of all of them will take besides what they have."""
        return sum(seed.disk_bytes for seed in self.seeds)


def plan_launch(
    experiment: Experiment,
    resolved: Resolved,
    seeds: Sequence[Seed],
    queue: Sequence[QueuedJob],
    *,
    resuming: bool = False,
) -> LaunchPlan:
    """What would become of seeds of one experiment; asks SLURM whether it would accept the jobs.

    Args:
        experiment: theirs.
        resolved: what their jobs ask for.
        seeds: at least one.
        queue: of SLURM.
        resuming: whether seeds that were called off are taken up.

    Raises:
        InputError: SLURM would not accept such a job.
        SchedulerError: SLURM cannot be asked.
        DataError: data of a transfer is not there.
    """
    sights = see(seeds, queue)
    search = next((seed.plan for seed in seeds if seed.plan), None)
    transfers = _transfers(experiment, seeds[0]) if search else {}
    known = read_measurements(
        experiment, resolved.profile, search, transfers, [*sights, *_siblings(sights)]
    )
    rows = tuple(
        _row(seed, sight, judge(seed, sight, resuming=resuming), known)
        for seed, sight in zip(seeds, sights, strict=True)
    )
    proposal = LaunchPlan(
        experiment, resolved, known.pace, known.commits[SEARCH], rows, resolved.remarks
    )
    if not proposal.submitted:
        return proposal
    first = proposal.submitted[0].seed
    said = [*resolved.remarks]
    try:
        said += check_acceptance(sbatch_text(first.run, first.request))
    except InputError as error:
        raise InputError(f"{error}{memory_hint(error)}") from None
    said += _plan_warnings(proposal, known)
    return replace(proposal, warnings=tuple(said))


def with_room(proposals: Sequence[LaunchPlan]) -> list[LaunchPlan]:
    """The proposals of one launch, the first of each full file system with a warning that says so.

    Args:
        proposals: of any number of experiments; they share the room that there is.
    """
    by_device: dict[int, list[int]] = {}
    for i, proposal in enumerate(proposals):
        device = _place(proposal).stat().st_dev
        by_device.setdefault(device, []).append(i)
    warned = list(proposals)
    for group in by_device.values():
        first = warned[group[0]]
        said = _room_warning(proposals[i] for i in group)
        warned[group[0]] = replace(first, warnings=(*first.warnings, *said))
    return warned


def _row(seed: Seed, sight: RunSnapshot, decision: Decision, known: Measurements) -> PlannedSeed:
    ahead = known.outlook(sight)
    stopped = sight.evidence.cancelled is not None or decision.state == State.UNREADABLE.value
    rests = decision.action is Action.LEAVE and stopped
    disk = 0.0 if rests else ahead.disk_bytes
    return PlannedSeed(seed, decision, ahead.plan, ahead.guessed, ahead.guessed_s, disk)


def _transfers(experiment: Experiment, seed: Seed) -> Mapping[str, TrainingImages]:
    """What was opened, and said, before this seed was made."""
    request = seed.request
    wanted = RunSpec(
        experiment, 0, seed.run, request.data_dir, request.device, request.mend, take_over=False
    )
    with log_to(lambda _said: None):
        return open_transfers(wanted)


def _plan_warnings(proposal: LaunchPlan, known: Measurements) -> list[str]:
    rows = proposal.submitted
    guessed = known.pace.is_guess or any(row.guessed for row in rows)
    spares = proposal.resolved.profile.spares
    return warnings(known.pace, known.limits, [row.plan for row in rows], spares, guessed=guessed)


def _siblings(sights: Sequence[RunSnapshot]) -> list[RunSnapshot]:
    """The seeds of the same folder that were not asked for; they may have measured something."""
    known = {sight.paths.directory for sight in sights}
    there = {run.directory for run in runs_of(sights[0].paths.directory.parent)}
    me = this_process()
    return [read_snapshot(directory, me, 0.0) for directory in sorted(there - known)]


def _room_warning(sharing: Iterable[LaunchPlan]) -> list[str]:
    together = list(sharing)
    place, needed = _place(together[0]), sum(proposal.disk_bytes for proposal in together)
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        return []
    if free >= needed or not any(proposal.submitted for proposal in together):
        return []
    return [
        f"{place} has {_size(free)} left, and these runs will take up to {_size(needed)} more: "
        "make room"
    ]


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"


def _place(proposal: LaunchPlan) -> Path:
    """What there is of the directory that its runs are made in."""
    directory = proposal.seeds[0].seed.run.directory.absolute()
    for path in (directory, *directory.parents):
        with suppress(StorageError):
            if is_folder(path):
                return path
    return Path("/")
