"""`launch`: a search as SLURM jobs that bring every seed to its end."""

import logging
from collections.abc import Sequence
from pathlib import Path

from emtnas_hpc.cli.console import raise_last
from emtnas_hpc.cli.launch_view import print_json, print_launched, print_plans
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
    parse_seeds,
)
from emtnas_hpc.cli.seeds import PlacedSeed, Placement, load_named, warn_of_no_effect
from emtnas_hpc.data.opening import opened_once
from emtnas_hpc.errors import EmtnasError, shown
from emtnas_hpc.search.environment import check_device_name
from emtnas_hpc.settings.hints import prepare_hint, prepare_hints
from emtnas_hpc.slurm.fit import JobOptions, resolve
from emtnas_hpc.slurm.job_files import JobSpec
from emtnas_hpc.slurm.missing_jobs import Launched, Seed, read_seeds, submit_missing_jobs
from emtnas_hpc.slurm.plan import LaunchPlan, plan_launch, with_disk_warnings
from emtnas_hpc.slurm.queue import Queue, read_queue
from emtnas_hpc.slurm.submit import refuse_path

log = logging.getLogger(__name__)


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
    numbers, device = parse_seeds(seeds), check_device_name(device)
    options = JobOptions(
        profile=profile, partition=partition, time=time, gpus=gpus, sbatch=tuple(sbatch)
    )
    resolved = resolve(options)
    queue = ask_queue()
    data = data.absolute()
    spec = JobSpec(
        profile=resolved.profile,
        data=str(data),
        device=device,
        prepare_command=prepare_hint(experiment, set_, data),
        filled=resolved.filled,
    )
    placement = Placement(experiment, runs, other_names=name is None)
    plans: list[LaunchPlan] = []
    with opened_once():
        all_named = load_named(experiment, set_, name)
        warn_of_no_effect(set_, all_named)
        for named in all_named:
            wanted = named.seeds(numbers, runs, data, device=device)
            for group in place(wanted, placement, spec):
                known = read_seeds(group, queue)
                plans.append(plan_launch(resolved, group, known, earlier=plans))
    carry_out(plans, resuming=False, dry_run=dry_run, as_json=json_)


def ask_queue() -> Queue:
    """The user's jobs; what squeue printed besides them is told."""
    queue = read_queue()
    if queue.notice:
        log.info(queue.notice)
    return queue


def place(wanted: Sequence[PlacedSeed], placement: Placement, spec: JobSpec) -> list[list[Seed]]:
    """The seeds of one experiment, those of one folder together.

    Raises:
        DataError: data is missing that one of them needs.
        InputError: a run directory was made with other settings; one that cannot be read is left
            alone later on, and keeps no other from its jobs.
    """
    for seed in wanted:
        refuse_path(seed.spec.paths)
    with prepare_hints(spec.prepare_command):
        placed = placement.place(wanted, needs_data=True)
    for seed in placed:
        if seed.moved:
            refuse_path(seed.spec.paths)
            log.info(f"{seed.who}: {seed.said}")
    for note in dict.fromkeys(note for seed in placed if seed.plan for note in seed.plan.notes):
        log.info(note)
    by_folder: dict[Path, list[Seed]] = {}
    for seed in placed:
        run, experiment = seed.spec.paths, seed.spec.experiment
        folder = by_folder.setdefault(run.directory.parent, [])
        folder.append(Seed(run, experiment, seed.plan, spec))
    return list(by_folder.values())


def carry_out(plans: Sequence[LaunchPlan], *, resuming: bool, dry_run: bool, as_json: bool) -> None:
    """Shows what is planned, and does it unless this is a dry run.

    Raises:
        EmtnasError: something is refused, or a seed could not be read; the others are submitted.
    """
    plans = with_disk_warnings(plans)
    if not as_json:
        print_plans(plans, with_script=dry_run)
    rows = [row for plan in plans for row in plan.seeds]
    launched: list[Launched] = []
    try:
        if not dry_run:
            submit_missing_jobs([row.seed for row in rows], launched, resuming=resuming)
    except BaseException:
        # What was submitted is in the queue, whatever came after it.
        _print([each for each in launched if each.jobs], plans, dry_run, as_json)
        raise
    _print(launched, plans, dry_run, as_json)
    raise_last(
        [
            EmtnasError(f"{shown(row.seed.run.directory)} is left alone: {row.decision.why}")
            for row in (rows if dry_run else launched)
            if row.decision.unreadable
        ]
    )


def _print(
    launched: Sequence[Launched], plans: Sequence[LaunchPlan], dry_run: bool, as_json: bool
) -> None:
    if as_json:
        print_json(plans, launched, with_script=dry_run)
    else:
        print_launched(launched)
