"""What `launch` does: refuses what can be refused, shows the plan, submits, says what it did."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emtnas_hpc.agenda.remaining import stages_left
from emtnas_hpc.cli.launch_view import print_json, print_launched, print_proposals
from emtnas_hpc.cli.named_experiment import load_named
from emtnas_hpc.cli.options import prepare_command
from emtnas_hpc.cluster.launching import Launched, Seed
from emtnas_hpc.cluster.launching import launch as submit_seeds
from emtnas_hpc.cluster.proposal import Proposal, propose
from emtnas_hpc.cluster.queue import read_queue
from emtnas_hpc.cluster.request import JobRequest
from emtnas_hpc.cluster.resolving import Wishes, resolve
from emtnas_hpc.cluster.submission import refuse_path
from emtnas_hpc.errors import DataError
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.search.run_directory import refuse_other_settings
from emtnas_hpc.search.session import SearchRequest, plan_search
from emtnas_hpc.store.paths import RunPaths, seed_run


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
    wishes: Wishes


def launch_seeds(order: LaunchOrder, *, dry_run: bool, as_json: bool) -> None:
    """Carries out an order.

    Raises:
        EmtnasError: something is refused; before SLURM is asked to submit, nothing is changed.
    """
    experiment = load_named(order.experiment, order.overrides, order.name)
    runs = {seed: seed_run(order.runs, experiment.name, seed) for seed in order.seeds}
    for run in runs.values():
        refuse_path(run)
    resolved = resolve(order.wishes)
    request = JobRequest(
        profile=resolved.profile,
        data=str(order.data.absolute()),
        device=order.device,
        mend=prepare_command(order.experiment, order.overrides, order.data.absolute()),
        filled=resolved.filled,
    )
    seeds = make_seeds(experiment, runs, request)
    proposal = propose(experiment, resolved, seeds, read_queue())
    carry_out([proposal], resuming=False, dry_run=dry_run, as_json=as_json)


def make_seeds(
    experiment: Experiment, runs: dict[int, RunPaths], request: JobRequest
) -> list[Seed]:
    """Opens the data and looks into the run directories of an experiment's seeds.

    Raises:
        DataError: data is missing that one of them needs.
        InputError: a run directory was made with other settings.
    """
    first, run = next(iter(runs.items()))
    wanted = SearchRequest(
        experiment, first, run, request.data_dir, request.device, request.mend, take_over=False
    )
    try:
        plan = plan_search(wanted, say)
    except DataError:
        if any(stages_left(run, experiment, seed) for seed, run in runs.items()):
            raise
        return [Seed(run, experiment, None, request) for run in runs.values()]
    plans = {seed: replace(plan, seed=seed) for seed in runs}
    for seed, run in runs.items():
        refuse_other_settings(run, plans[seed])
    return [Seed(run, experiment, plans[seed], request) for seed, run in runs.items()]


def carry_out(
    proposals: Sequence[Proposal], *, resuming: bool, dry_run: bool, as_json: bool
) -> None:
    """Shows what is proposed, and does it unless this is a dry run."""
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


def _print(
    proposals: Sequence[Proposal], launched: Sequence[Launched], dry_run: bool, as_json: bool
) -> None:
    if as_json:
        print_json(proposals, launched, with_script=dry_run)
    else:
        print_launched(launched)


def say(message: str) -> None:
    """Tells the user what takes a while."""
    print(message, file=sys.stderr, flush=True)
