"""`resume`: takes up again what was launched once."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.cli.launch import carry_out, make_seeds, say
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
    make_job_options,
)
from emtnas_hpc.cli.runs import find_runs
from emtnas_hpc.errors import EmtnasError, InputError
from emtnas_hpc.search.run_dir import read_stored
from emtnas_hpc.settings.names import StoredExperiment
from emtnas_hpc.slurm.fit import STANDING, JobOptions, resolve
from emtnas_hpc.slurm.jobs import JobSpec, read_job_spec
from emtnas_hpc.slurm.launch import Seed, judge, see
from emtnas_hpc.slurm.plan import LaunchPlan, plan_launch
from emtnas_hpc.slurm.profile import Layer, Resolved, stack
from emtnas_hpc.slurm.queue import QueuedJob, read_queue
from emtnas_hpc.slurm.reconcile import Action
from emtnas_hpc.slurm.submit import refuse_path


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
    """Submit runs again that were launched and then cancelled, given up or lost.

    They go on where they were, with the settings that they have; what is said of the jobs goes
    over what they asked for before. A run that is done or in the queue is left alone.
    """
    wishes = make_job_options(profile, partition, time, gpus, sbatch)
    resume_runs(run, runs, wishes, dry_run=dry_run, as_json=json_)


Known = tuple[RunPaths, StoredExperiment, JobSpec]


def resume_runs(
    arguments: Sequence[str], runs: Path, wishes: JobOptions, *, dry_run: bool, as_json: bool
) -> None:
    """Takes runs up again.

    Args:
        arguments: runs, as the user calls them; none means all that were ever launched.
        runs: where run directories are.
        wishes: what was typed about the jobs.
        dry_run: whether only to show the plan.
        as_json: whether to print JSON.

    Raises:
        EmtnasError: something is refused; before SLURM is asked to submit, nothing is changed.
    """
    refused: list[str] = []
    known = _known(find_runs(arguments, runs), refused, say_of_others=bool(arguments))
    queue = read_queue(say)
    by_request = groupby(known, key=lambda each: (each[0].jobs.lock, each[1].experiment, each[2]))
    groups = [list(group) for _key, group in by_request]
    proposals = []
    for group in groups:
        try:
            proposals.append(_propose(group, wishes, queue))
        except InputError as error:
            if len(groups) == 1:
                raise
            raise InputError(f"{group[0][0].directory}: {error}") from None
    try:
        carry_out(proposals, resuming=True, dry_run=dry_run, as_json=as_json)
    except EmtnasError as error:
        if not refused:
            raise
        refused.append(str(error))
    _refuse(refused)


def _refuse(lines: Sequence[str]) -> None:
    for line in lines[:-1]:
        say(f"error: {line}")
    if lines:
        raise EmtnasError(lines[-1])


def _known(directories: Sequence[Path], refused: list[str], *, say_of_others: bool) -> list[Known]:
    """The runs that were launched; of each that cannot be read, a line is added to the refused."""
    known, others = [], []
    for directory in directories:
        run = RunPaths(directory)
        try:
            run.refuse_shut()
            request, stored = read_job_spec(run.jobs), read_stored(run)
        except EmtnasError as error:
            if len(directories) == 1:
                raise
            refused.append(f"{directory} is left alone: {error}")
            continue
        if request and stored:
            known.append((run, stored, request))
        else:
            others.append(directory)
    if not known:
        _refuse(refused)
        what = f"{others[0]} was never" if len(others) == 1 else "none of these runs was ever"
        raise InputError(f"{what} launched; `emtnas-hpc launch` or `run` goes on with it")
    for directory in others if say_of_others else ():
        say(f"{directory} was never launched, and is left alone")
    return known


def _propose(group: Sequence[Known], wishes: JobOptions, queue: Sequence[QueuedJob]) -> LaunchPlan:
    _run, stored, standing = group[0]
    runs = {each.seed: run for run, each, _request in group}
    for run in runs.values():
        refuse_path(run)
    seeds = make_seeds(stored.experiment, runs, standing)
    resolved = _resolve(wishes, standing, seeds, queue)
    request = standing.model_copy(update={"profile": resolved.profile, "filled": resolved.filled})
    seeds = [replace(seed, request=request) for seed in seeds]
    return plan_launch(stored.experiment, resolved, seeds, queue, resuming=True)


def _resolve(
    wishes: JobOptions, standing: JobSpec, seeds: Sequence[Seed], queue: Sequence[QueuedJob]
) -> Resolved:
    """What the jobs ask for; that the site has it no longer matters only if there are to be any."""
    sights = zip(seeds, see(seeds, queue), strict=True)
    is_left = all(judge(*each, resuming=True).action is Action.LEAVE for each in sights)
    if is_left and wishes == JobOptions():
        asked = stack([Layer(standing.profile.model_dump(), STANDING)])
        return replace(asked, filled=standing.filled)
    return resolve(wishes, standing.profile, standing.filled)
