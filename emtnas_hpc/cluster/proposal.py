"""What a launch would do: what becomes of each seed, and how long it all takes. Changes nothing."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from emtnas_hpc.agenda.transfers import TrainingImages, open_transfers
from emtnas_hpc.cluster.acceptance import check_acceptance, memory_hint
from emtnas_hpc.cluster.decision import Action, Decision
from emtnas_hpc.cluster.launching import Seed, judge, see
from emtnas_hpc.cluster.outlook import Knowledge, learn
from emtnas_hpc.cluster.plan import Measure, SeedPlan, warnings
from emtnas_hpc.cluster.profiles import Resolved
from emtnas_hpc.cluster.queue import QueuedJob
from emtnas_hpc.cluster.sight import Sight, look
from emtnas_hpc.cluster.state import State
from emtnas_hpc.cluster.submission import sbatch_text
from emtnas_hpc.errors import InputError, StorageError
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.search.session import SearchRequest
from emtnas_hpc.store.owner import this_process
from emtnas_hpc.store.paths import SEARCH, runs_of
from emtnas_hpc.store.refusals import is_folder


@dataclass(frozen=True)
class SeedProposal:
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
class Proposal:
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
    seeds: tuple[SeedProposal, ...]
    warnings: tuple[str, ...]

    @property
    def submitted(self) -> tuple[SeedProposal, ...]:
        """Those that would be submitted."""
        return tuple(seed for seed in self.seeds if seed.decision.action is Action.SUBMIT)

    @property
    def disk_bytes(self) -> float:
        """What the run directories of all of them will take besides what they have."""
        return sum(seed.disk_bytes for seed in self.seeds)


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
        DataError: data of a transfer is not there.
    """
    sights = see(seeds, queue)
    search = next((seed.plan for seed in seeds if seed.plan), None)
    transfers = _transfers(experiment, seeds[0]) if search else {}
    known = learn(experiment, resolved.profile, search, transfers, [*sights, *_siblings(sights)])
    rows = tuple(
        _row(seed, sight, judge(seed, sight, resuming=resuming), known)
        for seed, sight in zip(seeds, sights, strict=True)
    )
    proposal = Proposal(
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


def with_room(proposals: Sequence[Proposal]) -> list[Proposal]:
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


def _row(seed: Seed, sight: Sight, decision: Decision, known: Knowledge) -> SeedProposal:
    ahead = known.outlook(sight)
    stopped = sight.evidence.cancelled is not None or decision.state == State.UNREADABLE.value
    rests = decision.action is Action.LEAVE and stopped
    disk = 0.0 if rests else ahead.disk_bytes
    return SeedProposal(seed, decision, ahead.plan, ahead.guessed, ahead.guessed_s, disk)


def _transfers(experiment: Experiment, seed: Seed) -> Mapping[str, TrainingImages]:
    """What was opened, and said, before this seed was made."""
    request = seed.request
    wanted = SearchRequest(
        experiment, 0, seed.run, request.data_dir, request.device, request.mend, take_over=False
    )
    return open_transfers(wanted, lambda _said: None)


def _plan_warnings(proposal: Proposal, known: Knowledge) -> list[str]:
    rows = proposal.submitted
    guessed = known.pace.is_guess or any(row.guessed for row in rows)
    spares = proposal.resolved.profile.spares
    return warnings(known.pace, known.limits, [row.plan for row in rows], spares, guessed=guessed)


def _siblings(sights: Sequence[Sight]) -> list[Sight]:
    """The seeds of the same folder that were not asked for; they may have measured something."""
    known = {sight.paths.directory for sight in sights}
    there = {run.directory for run in runs_of(sights[0].paths.directory.parent)}
    me = this_process()
    return [look(directory, me, 0.0) for directory in sorted(there - known)]


def _room_warning(sharing: Iterable[Proposal]) -> list[str]:
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


def _place(proposal: Proposal) -> Path:
    """What there is of the directory that its runs are made in."""
    directory = proposal.seeds[0].seed.run.directory.absolute()
    for path in (directory, *directory.parents):
        with suppress(StorageError):
            if is_folder(path):
                return path
    return Path("/")
