"""What `resume` does: as `launch`, but from what the run directories say."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from emtnas_hpc.cli.finding import find_runs
from emtnas_hpc.cli.launching import carry_out, make_seeds, say
from emtnas_hpc.cluster.decision import Action
from emtnas_hpc.cluster.launching import Seed, judge, see
from emtnas_hpc.cluster.profiles import Layer, Resolved, stack
from emtnas_hpc.cluster.proposal import Proposal, propose
from emtnas_hpc.cluster.queue import QueuedJob, read_queue
from emtnas_hpc.cluster.request import JobRequest, read_request
from emtnas_hpc.cluster.resolving import STANDING, Wishes, resolve
from emtnas_hpc.cluster.submission import refuse_path
from emtnas_hpc.errors import EmtnasError, InputError
from emtnas_hpc.experiment import StoredExperiment
from emtnas_hpc.search.run_directory import read_stored
from emtnas_hpc.store.paths import RunPaths

Known = tuple[RunPaths, StoredExperiment, JobRequest]


def resume_runs(
    arguments: Sequence[str], runs: Path, wishes: Wishes, *, dry_run: bool, as_json: bool
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
            request, stored = read_request(run.jobs), read_stored(run)
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


def _propose(group: Sequence[Known], wishes: Wishes, queue: Sequence[QueuedJob]) -> Proposal:
    _run, stored, standing = group[0]
    runs = {each.seed: run for run, each, _request in group}
    for run in runs.values():
        refuse_path(run)
    seeds = make_seeds(stored.experiment, runs, standing)
    resolved = _resolve(wishes, standing, seeds, queue)
    request = standing.model_copy(update={"profile": resolved.profile, "filled": resolved.filled})
    seeds = [replace(seed, request=request) for seed in seeds]
    return propose(stored.experiment, resolved, seeds, queue, resuming=True)


def _resolve(
    wishes: Wishes, standing: JobRequest, seeds: Sequence[Seed], queue: Sequence[QueuedJob]
) -> Resolved:
    """What the jobs ask for; that the site has it no longer matters only if there are to be any."""
    sights = zip(seeds, see(seeds, queue), strict=True)
    is_left = all(judge(*each, resuming=True).action is Action.LEAVE for each in sights)
    if is_left and wishes == Wishes():
        asked = stack([Layer(standing.profile.model_dump(), STANDING)])
        return replace(asked, filled=standing.filled)
    return resolve(wishes, standing.profile, standing.filled)
