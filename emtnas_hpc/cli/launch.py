"""`launch`: a search as SLURM jobs that carry every seed to its end."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from emtnas_hpc.checkpoint.paths import RunPaths, seed_run
from emtnas_hpc.cli.launch_view import print_json, print_launched, print_proposals
from emtnas_hpc.cli.options import (
    DEFAULT_EXPERIMENT,
    DataOption,
    DeviceOption,
    DryRunOption,
    ExperimentsArgument,
    GpusOption,
    JsonOption,
    NameOption,
    PartitionOption,
    ProfileOption,
    RunsOption,
    SbatchOption,
    SeedsOption,
    SetOption,
    TimeOption,
    make_job_options,
    parse_seeds,
)
from emtnas_hpc.cli.runs import (
    Folders,
    Named,
    done_elsewhere,
    has_work,
    load_named,
    reusable,
    said_of,
)
from emtnas_hpc.errors import DamagedError, DataError, EmtnasError, StorageError, StoredError, shown
from emtnas_hpc.pipeline import open_transfers
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.environment import check_device_name
from emtnas_hpc.search.run_dir import refuse_other_settings
from emtnas_hpc.search.session import RunSpec, plan_seeds
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.hints import prepare_hint
from emtnas_hpc.settings.names import rename
from emtnas_hpc.slurm.fit import JobOptions, resolve
from emtnas_hpc.slurm.jobs import JobSpec
from emtnas_hpc.slurm.launch import Launched, Seed
from emtnas_hpc.slurm.launch import launch as submit_seeds
from emtnas_hpc.slurm.plan import LaunchPlan, PlannedSeed, plan_launch
from emtnas_hpc.slurm.profile import Resolved
from emtnas_hpc.slurm.queue import read_queue
from emtnas_hpc.slurm.reconcile import State
from emtnas_hpc.slurm.submit import refuse_path


def launch(
    experiment: ExperimentsArgument = DEFAULT_EXPERIMENT,
    set_: SetOption = [],  # noqa: B006 - typer copies it
    seeds: SeedsOption = "1",
    partition: PartitionOption = "",
    profile: ProfileOption = "",
    time: TimeOption = "",
    gpus: GpusOption = None,
    sbatch: SbatchOption = [],  # noqa: B006
    name: NameOption = None,
    runs: RunsOption = Path("runs"),
    data: DataOption = Path("data"),
    device: DeviceOption = "auto",
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Submit a search to SLURM, a job a seed; preempted or out of time, it goes on by itself.

    Repeated, it submits nothing twice: a seed that is done, in the queue or cancelled is left
    alone, one that stopped or failed is taken up.
    """
    order = LaunchOrder(
        experiment,
        tuple(set_),
        name,
        parse_seeds(seeds),
        runs,
        data,
        check_device_name(device),
        make_job_options(profile, partition, time, gpus, sbatch),
    )
    launch_seeds(order, dry_run=dry_run, as_json=json_)


@dataclass(frozen=True)
class LaunchOrder:
    """The arguments of `launch`, as the user gave them."""

    experiment: str
    overrides: tuple[str, ...]
    name: str | None
    seeds: tuple[int, ...]
    runs: Path
    data: Path
    device: str
    wishes: JobOptions


def launch_seeds(order: LaunchOrder, *, dry_run: bool, as_json: bool) -> None:
    """Carries out an order.

    Raises:
        EmtnasError: something is refused; before SLURM is asked to submit, nothing is changed.
    """
    resolved = resolve(order.wishes)
    queue = read_queue(say)
    proposals = [
        plan_launch(group[0].experiment, resolved, group, queue)
        for group in _all_groups(order, resolved)
    ]
    carry_out(proposals, resuming=False, dry_run=dry_run, as_json=as_json)


def _all_groups(order: LaunchOrder, resolved: Resolved) -> list[list[Seed]]:
    """The seeds of all experiments, no run directory twice."""
    folders = Folders(order.experiment)
    found = []
    for named in load_named(order.experiment, order.overrides, order.name):
        for group in _groups(order, named, resolved):
            here = replace(named, experiment=group[0].experiment)
            found.append([seed for seed in group if folders.is_new(seed.run.directory, here)])
    return [group for group in found if group]


def _groups(order: LaunchOrder, named: Named, resolved: Resolved) -> Iterator[list[Seed]]:
    """An experiment's seeds, those of one folder together."""
    experiment = named.experiment
    request = JobSpec(
        profile=resolved.profile,
        data=str(order.data.absolute()),
        device=order.device,
        mend=prepare_hint(order.experiment, order.overrides, order.data.absolute()),
        filled=resolved.filled,
    )
    runs = {seed: seed_run(order.runs, experiment.name, seed) for seed in order.seeds}
    for run in runs.values():
        refuse_path(run)
    if order.name is None:
        runs |= _elsewhere(experiment, runs, order.runs, request)
    by_name: dict[str, dict[int, RunPaths]] = {}
    for seed, run in runs.items():
        by_name.setdefault(run.directory.parent.name, {})[seed] = run
    for name, some in by_name.items():
        yield make_seeds(rename(experiment, name), some, request)


def _elsewhere(
    experiment: Experiment, runs: Mapping[int, RunPaths], below: Path, request: JobSpec
) -> dict[int, RunPaths]:
    """Seeds whose very search is finished under another name, which is said."""
    plans: Mapping[int, SearchPlan] = {}
    with suppress(DataError):  # whether that matters is found out in their directories
        plans = _plans(experiment, runs, request)
    found = {}
    for seed, run in runs.items():
        other = None
        with suppress(StorageError):  # its own directory says so, and is left alone
            if plans:
                other = reusable(run, below, plans[seed])
            else:
                other = done_elsewhere(run, below, experiment, seed)
        if other is not None:
            refuse_path(other)
            found[seed] = other
            say(f"{experiment.name} seed {seed}: {said_of(other)}")
    return found


def _plans(
    experiment: Experiment, runs: Mapping[int, RunPaths], request: JobSpec
) -> dict[int, SearchPlan]:
    """Opens all data of an experiment."""
    where = request.data_dir, request.device, request.mend
    wanted = [RunSpec(experiment, seed, run, *where, take_over=False) for seed, run in runs.items()]
    plans = plan_seeds(wanted)
    open_transfers(wanted[0])
    return plans


def make_seeds(experiment: Experiment, runs: dict[int, RunPaths], request: JobSpec) -> list[Seed]:
    """Opens the data and looks into the run directories of an experiment's seeds.

    Raises:
        DataError: data is missing that one of them needs.
        InputError: a run directory was made with other settings; one that cannot be read is left
            alone later on, and keeps no other from its jobs.
    """
    try:
        plans = _plans(experiment, runs, request)
    except DataError:
        if any(has_work(run, experiment, seed) for seed, run in runs.items()):
            raise
        return [Seed(run, experiment, None, request) for run in runs.values()]
    for note in dict.fromkeys(note for plan in plans.values() for note in plan.notes):
        say(note)
    for seed, run in runs.items():
        with suppress(StorageError, DamagedError, StoredError):
            refuse_other_settings(run, plans[seed])
    return [Seed(run, experiment, plans[seed], request) for seed, run in runs.items()]


def carry_out(
    proposals: Sequence[LaunchPlan], *, resuming: bool, dry_run: bool, as_json: bool
) -> None:
    """Shows what is proposed, and does it unless this is a dry run.

    Raises:
        EmtnasError: something is refused, or a seed could not be read; all others are carried on.
    """
    if not as_json:
        print_proposals(proposals, with_script=dry_run)
    launched: list[Launched] = []
    try:
        if not dry_run:
            seeds = [row.seed for proposal in proposals for row in proposal.seeds]
            submit_seeds(seeds, say, launched, resuming=resuming)
    except BaseException:
        # What was submitted is in the queue, whatever came after it.
        _print(proposals, [each for each in launched if each.jobs], dry_run, as_json)
        raise
    _print(proposals, launched, dry_run, as_json)
    rows = [row for proposal in proposals for row in proposal.seeds] if dry_run else launched
    _refuse_unreadable(rows)


def _refuse_unreadable(rows: Sequence[PlannedSeed | Launched]) -> None:
    """Says in a line each which seeds were not submitted since they could not be read."""
    lines = [
        f"{shown(row.seed.run.directory)} is left alone: {row.decision.why}"
        for row in rows
        if row.decision.state == State.UNREADABLE.value
    ]
    for line in lines[:-1]:
        say(f"error: {line}")
    if lines:
        raise EmtnasError(lines[-1])


def _print(
    proposals: Sequence[LaunchPlan], launched: Sequence[Launched], dry_run: bool, as_json: bool
) -> None:
    if as_json:
        print_json(proposals, launched, with_script=dry_run)
    else:
        print_launched(launched)


def say(message: str) -> None:
    """Tells the user what takes a while."""
    print(message, file=sys.stderr, flush=True)
