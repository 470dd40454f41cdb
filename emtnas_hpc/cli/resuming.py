"""What `resume` does: as `launch`, but from what the run directories say."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from emtnas_hpc.cli.finding import find_runs
from emtnas_hpc.cli.launching import carry_out, make_seeds, say
from emtnas_hpc.cluster.launching import Seed
from emtnas_hpc.cluster.proposal import Proposal, propose
from emtnas_hpc.cluster.queue import QueuedJob, read_queue
from emtnas_hpc.cluster.request import JobRequest, read_request
from emtnas_hpc.cluster.resolving import Wishes, resolve
from emtnas_hpc.cluster.submission import refuse_path
from emtnas_hpc.errors import InputError
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
    known = _known(find_runs(arguments, runs), say_of_others=bool(arguments))
    queue = read_queue()
    groups = groupby(known, key=lambda each: (each[0].jobs.lock, each[1].experiment, each[2]))
    proposals = [_propose(list(group), wishes, queue) for _key, group in groups]
    carry_out(proposals, resuming=True, dry_run=dry_run, as_json=as_json)


def _known(directories: Sequence[Path], *, say_of_others: bool) -> list[Known]:
    known, others = [], []
    for directory in directories:
        run = RunPaths(directory)
        request, stored = read_request(run.jobs), read_stored(run)
        if request and stored:
            known.append((run, stored, request))
        else:
            others.append(directory)
    if not known:
        what = f"{others[0]} was never" if len(others) == 1 else "none of these runs was ever"
        raise InputError(f"{what} launched; `emtnas-hpc launch` or `run` goes on with it")
    for directory in others if say_of_others else ():
        say(f"{directory} was never launched, and is left alone")
    return known


def _propose(group: Sequence[Known], wishes: Wishes, queue: Sequence[QueuedJob]) -> Proposal:
    _run, stored, standing = group[0]
    resolved = resolve(wishes, standing.profile, standing.filled)
    request = standing.model_copy(update={"profile": resolved.profile, "filled": resolved.filled})
    runs = {each.seed: run for run, each, _request in group}
    for run in runs.values():
        refuse_path(run)
    seeds: list[Seed] = make_seeds(stored.experiment, runs, request)
    return propose(stored.experiment, resolved, seeds, queue, resuming=True)
