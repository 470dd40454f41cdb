"""A retraining asked for by a program: the same stage, runner and folder as the command's."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from emtnas_hpc.agenda.incumbents import finished_history, incumbent
from emtnas_hpc.agenda.mending import prepare_for_retraining
from emtnas_hpc.agenda.session import carry_on_retrainings
from emtnas_hpc.data import REGISTRY
from emtnas_hpc.errors import EmtnasError, InputError, StartOverError, StoppedError
from emtnas_hpc.experiment import Experiment, retraining_experiment
from emtnas_hpc.export.retrained import retrainings_of
from emtnas_hpc.notebook.run import Run, RunRetraining
from emtnas_hpc.retraining.order import RetrainingOrder
from emtnas_hpc.runner.interruption import StopRequest
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.search.device_name import check_device_name
from emtnas_hpc.search.session import Listeners, SearchRequest
from emtnas_hpc.store.paths import RunPaths

#: Told after every step what the stage says of it: epoch, loss, accuracy.
ProgressListener = Callable[[Mapping[str, object]], None]


def retrain(
    run: Run,
    task: str | None = None,
    *,
    on: str | None = None,
    normal_cells: int | None = None,
    recipe: str | None = None,
    settings: Sequence[str] = (),
    data: str | Path = "data",
    device: str = "auto",
    say: Callable[[str], None] = print,
    progress: ProgressListener = lambda _summary: None,
) -> RunRetraining:
    """Trains what a finished search found from scratch, and measures it on the test set once.

    Called again, it goes on where it was, and returns at once when it is finished. An interrupt
    stops it at the next batch; `run` itself stays as it was loaded.

    Args:
        run: whose search is finished.
        task: that the architecture was found for; a run of one task needs none.
        on: data set to train on instead: a transfer.
        normal_cells: N; by default the largest that the experiment asks for.
        recipe: in place of the run's.
        settings: overrides such as "retraining.epochs=10".
        data: where prepared data is.
        device: auto, cpu, cuda or cuda:N.
        say: told what the user should know.
        progress: told how it goes.

    Raises:
        InputError: something of it cannot be done; nothing has been changed.
        OwnedError: another process is at the run.
        KeyboardInterrupt: it was stopped with work left.
        EmtnasError: of the store; what was committed stands.
    """
    if threading.current_thread() is not threading.main_thread():
        raise InputError("retrain is called in a thread, expected the main one: it hears signals")
    order = _order(run, run.incumbent(task).task, on, normal_cells, recipe, settings)
    paths, data_dir = RunPaths(run.directory), Path(data)
    own = run.experiment.data_sets
    mend = prepare_for_retraining(paths, own, [order.task], settings, data_dir)
    device = check_device_name(device)
    request = SearchRequest(run.experiment, run.seed, paths, data_dir, device, mend)
    listeners = Listeners(lambda step: progress(step.summary), lambda _phase, _what: None, say)
    _carry_on(request, order, listeners)
    found = retrainings_of(request.paths)
    return RunRetraining(next(each for each in found if each.name == order.name))


def _carry_on(request: SearchRequest, order: RetrainingOrder, listeners: Listeners) -> None:
    with StopRequest() as stop:
        try:
            outcome = carry_on_retrainings(request, [order], listeners, stop)
        except StartOverError as error:
            raise EmtnasError(
                f"{error.reason}: restart the kernel, then the same call goes on"
            ) from None
        except StoppedError:
            outcome = Outcome.MORE  # outside the loop, which alone returns it
    if outcome is Outcome.MORE:
        raise KeyboardInterrupt(
            f"stopped by {stop.signal} with work left; the same call goes on"
        ) from None


def _order(
    run: Run,
    task: str,
    on: str | None,
    normal_cells: int | None,
    recipe: str | None,
    settings: Sequence[str],
) -> RetrainingOrder:
    history = finished_history(RunPaths(run.directory))
    target = on or task
    wanted = retraining_experiment(
        run.experiment, settings, recipe=recipe, targets=(target,), registry=REGISTRY
    )
    architecture, origin = incumbent(history, task)
    return RetrainingOrder(
        wanted.name,
        run.seed,
        wanted.threads,
        architecture,
        origin,
        target,
        wanted.task[target],
        _depth(normal_cells, wanted),
        wanted.retraining,
        wanted.precision,
    )


def _depth(normal_cells: int | None, experiment: Experiment) -> int:
    depth = max(experiment.retraining.normal_cells, default=0)
    depth = depth if normal_cells is None else normal_cells
    if depth < 1:
        found = "not given" if normal_cells is None else f"{normal_cells}"
        raise InputError(f"normal_cells is {found}, expected at least 1 between two reductions")
    return depth
