"""One seed's search in its run directory, from wherever it was to its end or to a stop."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.data import open_task
from emtnas_hpc.errors import InputError
from emtnas_hpc.experiment import (
    Experiment,
    StoredExperiment,
    difference,
    dump_stored,
    parse_stored,
)
from emtnas_hpc.runner.interruption import StopRequest
from emtnas_hpc.runner.loop import Outcome, Progress, run
from emtnas_hpc.runner.session import open_run
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.environment import prepare_environment
from emtnas_hpc.search.stage import PhaseListener, SearchStage
from emtnas_hpc.store.durable import write_file
from emtnas_hpc.store.owner import this_process
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.run_store import RunStore


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
    """Begins or continues a search.

    Args:
        request: what and where.
        listeners: told what happens.
        stop: looked at between batches.

    Raises:
        InputError: data or device are not there, or the run directory belongs to other settings.
        OwnedError: another process is at it.
        EmtnasError: of the store; what was committed stands.
    """
    plan = plan_search(request, listeners.say)
    refuse_other_settings(request.paths, plan)
    prepare_environment()
    # Only now: whatever was refused above was refused quickly.
    from emtnas_hpc.search.device import choose_device, describe_software
    from emtnas_hpc.supernet.determinism import prepare_torch

    device = choose_device(request.device)
    threads = request.experiment.threads
    prepare_torch(threads, device)
    provenance = {**describe_software(device), "threads": threads}
    with open_run(
        request.paths,
        this_process(),
        provenance=provenance,
        take_over=request.take_over,
        say=listeners.say,
    ) as opened:
        _store_experiment(request.paths, plan, opened.claim.token)
        settings = request.experiment.run
        return run(
            plan.stage(device, listeners.phase),
            RunStore(
                request.paths,
                SearchStage.name,
                signature=plan.identity.signature,
                claim=opened.claim,
                keep=settings.keep_commits,
            ),
            stop,
            opened.attempt,
            commit_interval_s=settings.commit_interval_s,
            grace_s=settings.grace_s,
            notify=listeners.progress,
            warn=listeners.say,
        )


def plan_search(request: SearchRequest, say: Callable[[str], None]) -> SearchPlan:
    """Opens the data of every task; what needs no download is prepared if need be."""
    experiment = request.experiment
    data = {
        name: open_task(
            name, experiment.task[name], request.data_dir, report=say, mend=request.mend
        )
        for name in experiment.tasks
    }
    return SearchPlan(experiment, request.seed, data)


def refuse_other_settings(paths: RunPaths, plan: SearchPlan) -> None:
    """Refuses a run directory that was made with other settings or other data.

    Raises:
        InputError: naming the difference.
    """
    stored = read_stored(paths)
    if stored is None:
        return
    there, asked = stored.identity, plan.identity
    if there.signature != asked.signature:
        raise InputError(
            f"{paths.directory} was made with other settings: "
            f"{difference(there.values, asked.values)}; use those, or another --name"
        )


def read_stored(paths: RunPaths) -> StoredExperiment | None:
    """The experiment that a run directory says it is of; None if it says nothing yet.

    Raises:
        InputError: the file is there but cannot be understood.
    """
    try:
        text = paths.experiment.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{paths.experiment} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{paths.experiment} cannot be read: {error}") from None
    return parse_stored(text, str(paths.experiment))


def _store_experiment(paths: RunPaths, plan: SearchPlan, token: str) -> None:
    # Again, now that nobody else can be writing it.
    refuse_other_settings(paths, plan)
    if paths.experiment.exists():
        return
    stored = StoredExperiment(
        plan.experiment,
        plan.seed,
        {name: plan.data[name].digest for name in plan.experiment.tasks},
        {SearchStage.name: plan.identity.signature},
    )
    write_file(paths.experiment, dump_stored(stored), token)
