"""`resume`: continues runs that were launched once."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.cli.console import raise_last
from emtnas_hpc.cli.events import Who
from emtnas_hpc.cli.launch import ask_queue, carry_out, place
from emtnas_hpc.cli.options import (
    DryRunOption,
    GpusOption,
    JsonOption,
    PartitionOption,
    ProfileOption,
    RunsArgument,
    RunsOption,
    SbatchOption,
    TimeOption,
)
from emtnas_hpc.cli.runs import find_runs
from emtnas_hpc.cli.seeds import Named, PlacedSeed, Placement
from emtnas_hpc.data.opening import opened_once
from emtnas_hpc.errors import EmtnasError, InputError
from emtnas_hpc.search.spec import RunSpec
from emtnas_hpc.settings.loading import Typed
from emtnas_hpc.settings.names import StoredExperiment, read_stored
from emtnas_hpc.slurm.fit import AS_LAUNCHED, JobOptions, resolve
from emtnas_hpc.slurm.job_files import JobSpec, read_job_spec
from emtnas_hpc.slurm.missing_jobs import read_seeds
from emtnas_hpc.slurm.plan import LaunchPlan, plan_launch
from emtnas_hpc.slurm.profile import Layer, stack
from emtnas_hpc.slurm.queue import Queue
from emtnas_hpc.slurm.reconcile import Action, reconcile

log = logging.getLogger(__name__)


def resume(
    run: RunsArgument = [],  # noqa: B006 - typer copies it
    partition: PartitionOption = "",
    profile: ProfileOption = "",
    time: TimeOption = "",
    gpus: GpusOption = None,
    sbatch: SbatchOption = [],  # noqa: B006
    runs: RunsOption = Path("runs"),
    dry_run: DryRunOption = False,
    json_: JsonOption = False,
) -> None:
    """Submit launched runs again that were cancelled, have failed or are lost.

    They go on where they were, with the settings that they have; what is said of the jobs goes
    over what they asked for before. A run that is done or in the queue is left alone.
    """
    options = JobOptions(
        profile=profile, partition=partition, time=time, gpus=gpus, sbatch=tuple(sbatch)
    )
    unread: list[EmtnasError] = []
    known = _read_launched(find_runs(run, runs), unread, say_of_others=bool(run))
    queue = ask_queue()
    known.sort(key=lambda each: each[0].jobs.lock)  # stable: in the order of the seeds
    by_spec = groupby(known, key=lambda each: (each[0].jobs.lock, each[1].experiment, each[2]))
    groups = [list(group) for _key, group in by_spec]
    plans: list[LaunchPlan] = []
    with opened_once():
        for group in groups:
            try:
                plans.append(_plan(group, options, queue, plans))
            except InputError as error:
                if len(groups) == 1:
                    raise
                raise InputError(f"{group[0][0].directory}: {error}") from None
    try:
        carry_out(plans, resuming=True, dry_run=dry_run, as_json=json_)
    except EmtnasError as error:
        if not unread:
            raise
        unread.append(EmtnasError(str(error)))
    raise_last(unread)


LaunchedRun = tuple[RunPaths, StoredExperiment, JobSpec]


def _read_launched(
    directories: Sequence[Path], unread: list[EmtnasError], *, say_of_others: bool
) -> list[LaunchedRun]:
    """The runs that were launched; `unread` gets why each other cannot be read."""
    known, others = [], []
    for directory in directories:
        run = RunPaths(directory)
        try:
            run.refuse_shut()
            spec, stored = read_job_spec(run.jobs), read_stored(run)
        except EmtnasError as error:
            if len(directories) == 1:
                raise
            unread.append(EmtnasError(f"{directory} is left alone: {error}"))
            continue
        if spec and stored:
            known.append((run, stored, spec))
        else:
            others.append(directory)
    if not known:
        raise_last(unread)
        what = f"{others[0]} was never" if len(others) == 1 else "none of these runs was ever"
        raise InputError(f"{what} launched; `emtnas-hpc launch` or `run` goes on with it")
    for directory in others if say_of_others else ():
        log.info(f"{directory} was never launched, and is left alone")
    return known


def _plan(
    group: Sequence[LaunchedRun],
    options: JobOptions,
    queue: Queue,
    earlier: Sequence[LaunchPlan],
) -> LaunchPlan:
    """What becomes of seeds of one experiment whose jobs were told the same."""
    _run, stored, spec = group[0]
    experiment = stored.experiment
    named = Named(Typed(experiment.name), experiment)
    wanted = [
        PlacedSeed(
            named,
            RunSpec(experiment, each.seed, run, spec.data_dir, device=spec.device),
            Who(each.seed, experiment.name),
        )
        for run, each, _spec in group
    ]
    placement = Placement(experiment.name, Path(), other_names=False)
    [seeds] = place(wanted, placement, spec)
    runs = read_seeds(seeds, queue)
    actions = {reconcile(run, spec.profile.spares, resuming=True).action for run in runs}
    if actions == {Action.LEAVE} and options == JobOptions():
        # Without new jobs it does not matter whether the site still has what they asked for.
        launched = stack([Layer(spec.profile.model_dump(), AS_LAUNCHED)])
        resolved = replace(launched, filled=spec.filled)
    else:
        resolved = resolve(options, spec.profile, spec.filled)
    spec = spec.model_copy(update={"profile": resolved.profile, "filled": resolved.filled})
    seeds = [replace(seed, spec=spec) for seed in seeds]
    return plan_launch(resolved, seeds, runs, resuming=True, earlier=earlier)
