"""One seed's search in its run directory, from wherever it was to its end or to a stop."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emtnas_hpc.data import open_task
from emtnas_hpc.errors import DataError
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.runner.attempts import read_attempts
from emtnas_hpc.runner.interruption import StopRequest
from emtnas_hpc.runner.loop import Outcome, Progress, run
from emtnas_hpc.runner.provenance import changes_since
from emtnas_hpc.runner.session import open_run
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.environment import prepare_environment
from emtnas_hpc.search.run_directory import is_finished, refuse_other_settings, store_experiment
from emtnas_hpc.search.stage import PhaseListener, SearchStage
from emtnas_hpc.store.owner import this_process
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.run_store import RunStore

if TYPE_CHECKING:
    import torch  # noqa: TID251 - whatever can be refused is refused without it


@dataclass(frozen=True)
class SearchRequest:
    """What to search, and where.

    Attributes:
        experiment: all settings.
        seed: of the search.
        paths: its run directory.
        data_dir: where prepared data sets are.
        device: auto, cpu, cuda or cuda:N.
        mend: the command that prepares the data, for messages.
        take_over: take the run directory from its owner, whether it lives or not.
    """

    experiment: Experiment
    seed: int
    paths: RunPaths
    data_dir: Path
    device: str
    mend: str
    take_over: bool = False


@dataclass(frozen=True)
class Listeners:
    """Who is told what while a search runs.

    Attributes:
        progress: of every generation that ended.
        phase: of everything that begins within one.
        say: of what the user should know, in single lines.
    """

    progress: Callable[[Progress], None]
    phase: PhaseListener
    say: Callable[[str], None]


def run_search(request: SearchRequest, listeners: Listeners, stop: StopRequest) -> Outcome:
    """Begins or continues a search; one that is finished needs neither its data nor torch.

    Args:
        request: what and where.
        listeners: told what happens.
        stop: looked at between batches.

    Raises:
        InputError: data or device are not there, or the run directory belongs to other settings.
        OwnedError: another process is at it.
        EmtnasError: of the store; what was committed stands.
    """
    try:
        plan = plan_search(request, listeners.say)
    except DataError:
        if is_finished(request.paths, request.experiment, request.seed):
            return Outcome.DONE
        raise
    stored = refuse_other_settings(request.paths, plan)
    if stored and is_finished(request.paths, request.experiment, request.seed):
        return Outcome.DONE
    device, provenance = prepare_device(request.device, request.experiment.threads)
    changes = changes_since(read_attempts(request.paths), provenance)
    if changes:
        listeners.say(f"goes on with {'; '.join(changes)}: equal bits are not promised")
    with open_run(
        request.paths,
        this_process(),
        provenance=provenance,
        take_over=request.take_over,
        say=listeners.say,
    ) as opened:
        signature = store_experiment(request.paths, plan, opened.claim)
        settings = request.experiment.run
        return run(
            plan.stage(device, listeners.phase),
            RunStore(
                request.paths,
                SearchStage.name,
                signature=signature,
                claim=opened.claim,
                keep=settings.keep_commits,
            ),
            stop,
            opened.attempt,
            commit_interval_s=settings.commit_interval_s,
            grace_s=settings.grace_s,
            notify=listeners.progress,
            say=listeners.say,
        )


def prepare_device(name: str, threads: int) -> tuple["torch.device", dict[str, object]]:
    """Chooses a device, makes torch deterministic on it, and says what bits depend on there.

    Imports torch, which takes seconds: after everything that can be refused without it.

    Raises:
        InputError: the device is not there.
    """
    prepare_environment()
    from emtnas_hpc.search.device import choose_device, describe_conditions
    from emtnas_hpc.supernet.determinism import prepare_torch

    device = choose_device(name)
    prepare_torch(threads, device)
    return device, {**describe_conditions(device), "threads": threads}


def plan_search(request: SearchRequest, say: Callable[[str], None]) -> SearchPlan:
    """Opens the data of every task; what needs no download is prepared if need be."""
    experiment = request.experiment
    data = {
        name: open_task(name, experiment.task[name], request.data_dir, say=say, mend=request.mend)
        for name in experiment.tasks
    }
    return SearchPlan(experiment, request.seed, data)
