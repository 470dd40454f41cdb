"""What a launch would do: what becomes of each seed, and how long it all takes. Changes nothing."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.cluster.decision import Action, Decision, decide
from emtnas_hpc.cluster.launching import Seed, see
from emtnas_hpc.cluster.measuring import measure_commit, measure_pace, measure_stages
from emtnas_hpc.cluster.plan import Limits, Measure, SeedPlan, disk_need, plan_seed, warnings
from emtnas_hpc.cluster.profiles import Resolved
from emtnas_hpc.cluster.queue import QueuedJob
from emtnas_hpc.cluster.sight import Sight, look
from emtnas_hpc.cluster.stages import SEARCH, work_ahead
from emtnas_hpc.cluster.submission import check_acceptance
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.store.owner import this_process
from emtnas_hpc.store.paths import RunPaths


@dataclass(frozen=True)
class SeedProposal:
    """What would become of a seed.

    Attributes:
        seed: which.
        decision: what would be done about it.
        plan: what is ahead of it.
        unmeasured: retrainings that are left, and that the plan cannot count.
    """

    seed: Seed
    decision: Decision
    plan: SeedPlan
    unmeasured: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """What would become of seeds of one experiment.

    Attributes:
        experiment: theirs.
        resolved: what their jobs ask for, and why.
        pace: seconds of a generation.
        commit: bytes of a commit.
        seeds: each of them.
        warnings: what will not work out, in single lines.
    """

    experiment: Experiment
    resolved: Resolved
    pace: Measure
    commit: Measure
    seeds: tuple[SeedProposal, ...]
    warnings: tuple[str, ...]

    @property
    def submitted(self) -> tuple[SeedProposal, ...]:
        """Those that would be submitted."""
        return tuple(seed for seed in self.seeds if seed.decision.action is Action.SUBMIT)

    @property
    def disk_bytes(self) -> float:
        """What the run directories of all of them need at most."""
        return disk_need(self.commit.value, self.experiment.run.keep_commits, len(self.seeds))


def propose(
    experiment: Experiment,
    resolved: Resolved,
    seeds: Sequence[Seed],
    queue: Sequence[QueuedJob],
    *,
    resuming: bool = False,
) -> Proposal:
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
    """
    sights = see(seeds, queue)
    everyone = [*sights, *_siblings(sights)]
    pace = measure_pace(everyone, _signature(seeds))
    commit = measure_commit(everyone, experiment)
    profile = resolved.profile
    limits = Limits(60.0 * profile.time, profile.lead_time_s)
    paces = {**measure_stages(everyone), SEARCH: pace.value}
    n_generations = experiment.search.generations
    rows = tuple(
        SeedProposal(
            seed,
            decide(sight.evidence, profile.spares, resuming=resuming),
            *_plan(sight, n_generations, limits, paces),
        )
        for seed, sight in zip(seeds, sights, strict=True)
    )
    proposal = Proposal(experiment, resolved, pace, commit, rows, ())
    if not proposal.submitted:
        return proposal
    first = proposal.submitted[0].seed
    said = [check_acceptance(first.run, first.request)]
    said += warnings(pace, limits, [seed.plan for seed in proposal.submitted], profile.spares)
    said += _disk_warning(proposal)
    return Proposal(experiment, resolved, pace, commit, rows, tuple(filter(None, said)))


def _plan(
    sight: Sight, n_generations: int, limits: Limits, paces: Mapping[str, float]
) -> tuple[SeedPlan, tuple[str, ...]]:
    """What is ahead of a seed, and the retrainings among it that have not been measured."""
    ahead = work_ahead((stage for stage in sight.stages if stage.name != SEARCH), paces)
    pace_s = paces[SEARCH]
    plan = plan_seed(sight.generation, n_generations, pace_s, limits, ahead.known_s)
    return plan, ahead.unmeasured


def _siblings(sights: Sequence[Sight]) -> list[Sight]:
    """The seeds of the same folder that were not asked for; they may have measured something."""
    known = {sight.paths.directory for sight in sights}
    others = sorted(set(sights[0].paths.directory.parent.glob("seed-*")) - known)
    me = this_process()
    return [look(directory, me, 0.0) for directory in others]


def _signature(seeds: Sequence[Seed]) -> str:
    plans = (seed.plan for seed in seeds)
    return next((plan.identity.experiment_signature for plan in plans if plan), "")


def _disk_warning(proposal: Proposal) -> list[str]:
    place = _existing(proposal.seeds[0].seed.run)
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        return []
    if free >= proposal.disk_bytes:
        return []
    return [
        f"{place} has {free / 1e9:.1f} GB left, and these runs need up to "
        f"{proposal.disk_bytes / 1e9:.1f} GB: make room"
    ]


def _existing(run: RunPaths) -> Path:
    directory = run.directory.absolute()
    return next(path for path in (directory, *directory.parents) if path.is_dir())
