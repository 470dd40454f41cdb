"""What a run has still to do, stage by stage, and the way from there to its end."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emtnas_hpc.checkpoint.atomic import write_file
from emtnas_hpc.checkpoint.commits import read_committed
from emtnas_hpc.checkpoint.ownership import acquire
from emtnas_hpc.checkpoint.paths import RunPaths, runs_below
from emtnas_hpc.data.opening import open_for_retraining
from emtnas_hpc.errors import EmtnasError, InputError
from emtnas_hpc.progress import stages_of
from emtnas_hpc.retraining.run_dir import images_retrained_on, retraining_left, store_identity
from emtnas_hpc.retraining.run_dir import is_finished as is_retrained
from emtnas_hpc.retraining.spec import Origin, RetrainingPlan, RetrainSpec, refuse_missing_test_set
from emtnas_hpc.runner.attempts import Event
from emtnas_hpc.runner.context import Reason, RunContext, log_once
from emtnas_hpc.runner.loop import Outcome, Progress
from emtnas_hpc.runner.signals import StopRequest
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.copies import copy_newest_common, folder_for_copies, is_owned
from emtnas_hpc.search.environment import prepare_environment
from emtnas_hpc.search.history import History
from emtnas_hpc.search.history_file import FILE_NAME, read_history
from emtnas_hpc.search.run_dir import (
    images_searched,
    is_finished,
    read_stored,
    store_what_may_change,
    with_what_may_change,
)
from emtnas_hpc.search.session import (
    Callbacks,
    RunSession,
    RunSpec,
    continue_search,
    open_session,
    search_left,
)
from emtnas_hpc.search.stage import SearchStage
from emtnas_hpc.search.verify import Comparison
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.names import (
    StoredExperiment,
    dump_stored,
    rename,
)
from emtnas_hpc.space.architecture import Architecture, decode

log = logging.getLogger(__name__)


def find_finished(runs: Path, plan: SearchPlan) -> RunPaths | None:
    """The run directory, of whatever experiment, in which this very search is finished.

    Names count for nothing, signatures do; each is computed anew from what a directory says of
    itself. Of several the first by name; what cannot be read is no such directory.

    Args:
        runs: where run directories are.
        plan: one seed with its data.
    """
    signature = plan.identity.signature
    candidates = runs_below(runs, plan.seed)
    return next((paths for paths in candidates if _is_it(paths, plan, signature)), None)


def _is_it(paths: RunPaths, plan: SearchPlan, signature: str) -> bool:
    experiment = plan.experiment
    try:
        # Few directories come to the last question, which reads all of a commit.
        if paths.stage(SearchStage.name).steps()[-1:] != [experiment.search.generations]:
            return False
        # It goes on under the name of its folder, which may be none for an experiment.
        rename(experiment, paths.directory.parent.name)
        stored = read_stored(paths)
        return (
            stored is not None
            and stored.identity.signature == signature
            and is_finished(paths, experiment, plan.seed)
        )
    except EmtnasError:
        return False


def retrain_specs(paths: RunPaths, experiment: Experiment) -> list[RetrainSpec]:
    """Every retraining that an experiment asks for, of what its finished search found.

    Raises:
        InputError: the search is not finished.
        DamagedError: its history cannot be read.
    """
    settings = experiment.retraining
    if not settings.normal_cells:
        return []
    history = finished_history(paths)
    return [
        RetrainSpec(
            experiment=experiment.name,
            seed=history.header.seed,
            threads=experiment.threads,
            architecture=architecture,
            origin=origin,
            task=task,
            images=experiment.task[task],
            n_normal=n_normal,
            settings=settings,
            precision=experiment.precision,
        )
        for found_on, task in experiment.retrained
        for architecture, origin in [incumbent(history, found_on)]
        for n_normal in settings.normal_cells
    ]


def finished_history(paths: RunPaths) -> History:
    """The history of a finished search.

    Raises:
        InputError: it is not finished: its incumbents may still change.
        DamagedError: no commit has it good.
    """
    history = read_committed(paths.stage(SearchStage.name), FILE_NAME, read_history)
    reached = history.generation if history else 0
    if history is None or reached < history.header.n_generations:
        wanted = f" of {history.header.n_generations}" if history else ""
        raise InputError(
            f"{paths.directory}: the search has reached generation {reached}{wanted}, and what it "
            "found may still change; finish it with `emtnas-hpc run` first"
        )
    return history


def incumbent(history: History, task: str) -> tuple[Architecture, Origin]:
    """What a search found for a task, and where that comes from.

    Raises:
        InputError: the search has no such task.
    """
    header = history.header
    names = [each.name for each in header.tasks]
    if task not in names:
        raise InputError(f"--task is {task!r}, but the search has {', '.join(names)}")
    found = history.incumbent(names.index(task))
    origin = Origin(task, found.id, header.signature, header.experiment_signature)
    return decode(found.chromosome), origin


def pending_stages(paths: RunPaths, experiment: Experiment, seed: int) -> tuple[str, ...]:
    """Those of them that are not finished, none of whose files is damaged; empty: all is done.

    Raises:
        InputError: a folder belongs to other settings in a way that cannot be read.
        DamagedError: the history of a finished search cannot be read.
    """
    if not is_finished(paths, experiment, seed):
        return stages_of(experiment)
    orders = retrain_specs(paths, experiment)
    return tuple(order.stage_name for order in orders if not is_retrained(paths, order))


def open_transfers(request: RunSpec) -> None:
    """Opens it before the search, so that what is missing is not found out when that is over.

    Args:
        request: what is searched, and where data is.

    Raises:
        DataError: data is not there, or has no test set.
    """
    experiment = request.experiment
    if not experiment.retraining.normal_cells:
        return
    for name in experiment.data_sets:
        if name not in experiment.tasks:
            images = experiment.task[name]
            data = open_for_retraining(
                name,
                images,
                request.data_dir,
                say=log.info,
                mend=request.mend,
                begun=images_retrained_on(request.paths, name, images),
            )
            refuse_missing_test_set(data)


def run_stages(
    request: RunSpec,
    listeners: Callbacks,
    stop: StopRequest,
    terms: RunContext | None = None,
) -> Outcome:
    """Begins or continues a run; one that is finished needs neither its data nor torch.

    Args:
        request: what and where; its experiment says which retrainings follow the search.
        listeners: told what happens.
        stop: looked at between batches.
        terms: of whoever starts it; by default those of the foreground.

    Raises:
        InputError: data or device are not there, or a folder belongs to other settings.
        OwnedError: another process is at it.
        EmtnasError: of the store; what was committed stands.
    """
    terms, listeners = terms or RunContext(), _warned_of_divergence(listeners)
    search = search_left(request)
    if search is None:
        left = _left(request, retrain_specs(request.paths, request.experiment))
        if not left:
            _say_what_is_asked(request, terms)
            return Outcome.DONE
        with open_session(request, listeners, terms) as session:
            store_what_may_change(request.paths, request.experiment, session.opened.claim)
            return _continue_retrainings(session, left, stop)
    open_transfers(request)
    with open_session(request, listeners, terms) as session:
        if continue_search(session, search, stop) is Outcome.MORE:
            return Outcome.MORE
        orders = retrain_specs(request.paths, request.experiment)
        left = _left(request, orders)
        return _continue_retrainings(session, left, stop, has_worked=True)


def run_retraining_stages(
    request: RunSpec,
    orders: Sequence[RetrainSpec],
    listeners: Callbacks,
    stop: StopRequest,
    terms: RunContext | None = None,
    *,
    other_images: bool = False,
) -> Outcome:
    """Begins or continues retrainings in one run directory; arguments and errors of `carry_on`.

    Which ones the run itself is asked for stays as it is.

    Args:
        request: where; its search may be finished long since, or none.
        orders: what to train, one after the other.
        listeners: told what happens.
        stop: looked at between batches.
        terms: of whoever starts it.
        other_images: whether to train on the images of now where the search saw others.
    """
    left = _left(request, orders, other_images=other_images)
    if not left:
        return Outcome.DONE
    listeners = _warned_of_divergence(listeners)
    with open_session(request, listeners, terms or RunContext()) as session:
        _say_what_it_is_for(session)
        return _continue_retrainings(session, left, stop)


def _warned_of_divergence(listeners: Callbacks) -> Callbacks:
    """They are told, once for each search of a task and each retraining, that its loss diverged."""
    told: set[str] = set()

    def on_progress(progress: Progress) -> None:
        listeners.progress(progress)
        for name, warning in _divergences(progress.readings):
            if name not in told:
                told.add(name)
                log.warning(f"warning: {warning}")

    return replace(listeners, progress=on_progress)


def _divergences(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names of what diverged, and a warning for each."""
    for task, generation in summary.get("diverged_in", {}).items():
        yield (
            task,
            f"the training loss of {task} diverged in generation {generation}; the search goes on, "
            "but what it finds there means little: choose a lower training.learning_rate",
        )
    if summary.get("diverged"):
        name, where = summary["retraining"], summary["diverged"]
        goes_on = "" if summary["test_accuracy"] is not None else "goes on, but "
        yield (
            f"retraining {name}",
            f"the training of {name} diverged in {where}; it {goes_on}is no result and counts in "
            "no report: choose a lower retraining.learning_rate",
        )


def _left(
    request: RunSpec,
    orders: Sequence[RetrainSpec],
    *,
    other_images: bool = False,
) -> list[RetrainingPlan]:
    # Retrainings of several depths have the same images, of which all is to be said once.
    with log_once():
        plans = [
            retraining_left(
                request.paths,
                order,
                request.data_dir,
                mend=request.mend,
                searched=images_searched(request.paths),
                other_images=other_images,
            )
            for order in orders
        ]
    return [plan for plan in plans if plan is not None]


def _say_what_is_asked(request: RunSpec, terms: RunContext) -> None:
    """In the experiment.toml of a run that has all of it, and may ask for more: a job would go on.

    One that asks for just that is only read.
    """
    stored, asked = read_stored(request.paths), request.experiment
    if stored is None or with_what_may_change(stored.experiment, asked) == stored.experiment:
        return
    claim = acquire(
        request.paths,
        terms.me,
        take_over=request.take_over,
        job_is_gone=terms.job_is_gone,
    )
    try:
        store_what_may_change(request.paths, asked, claim)
    finally:
        claim.release()


def _continue_retrainings(
    session: RunSession,
    plans: Sequence[RetrainingPlan],
    stop: StopRequest,
    *,
    has_worked: bool = False,
) -> Outcome:
    """Carries one after the other on; `has_worked` says whether this start has made a step."""
    for plan in plans:
        if stop.requested or _is_to_stop(session, has_worked):
            return Outcome.MORE
        signature = store_identity(session.opened.paths, plan, session.opened.claim)
        stage = plan.stage(session.device, session.listeners.phase, session.recorder)
        if session.carry_on(stage, signature, stop) is Outcome.MORE:
            return Outcome.MORE
        has_worked = True
    return Outcome.DONE


def _is_to_stop(session: RunSession, has_worked: bool) -> bool:
    """Whether it was called off, or no commit fits any more; what a step takes nobody knows yet.

    A start without a step is never out of time: the next one would not get any further.
    """
    reason = session.terms.reason_to_stop(0.0)
    if reason is None or (reason is Reason.DEADLINE and not has_worked):
        return False
    session.opened.attempt.event(Event.STOPPED, reason=reason)
    return True


def _say_what_it_is_for(session: RunSession) -> None:
    """In the experiment.toml of a folder for architectures from elsewhere.

    It names no signature of a search. One that is there stays: what was read of it when the
    request was made may be older.
    """
    request, claim = session.request, session.opened.claim
    if read_stored(request.paths) is not None:
        return
    stored = StoredExperiment(request.experiment, request.seed, {}, {})
    claim.check()
    write_file(request.paths.experiment, dump_stored(stored), claim.token)


def common_retrainings(a: RunPaths, b: RunPaths) -> list[str]:
    """The stages that both runs have a commit of the same step of."""
    names = [f"retraining/{s.directory.name}" for s in a.stages() if s != a.stage("search")]
    return [name for name in names if set(a.stage(name).steps()) & set(b.stage(name).steps())]


def compare_retrainings(a: RunPaths, b: RunPaths) -> Iterator[tuple[str, Comparison]]:
    """Compares the newest step of every retraining that both runs have committed.

    Raises:
        DamagedError: one of the commits is damaged.
    """
    for name in common_retrainings(a, b):
        with folder_for_copies() as folder:
            owned = (is_owned(a), is_owned(b))
            copies = copy_newest_common(a.stage(name), b.stage(name), folder, owned=owned)
            prepare_environment()
            from emtnas_hpc.retraining.stage import retraining_differences

            difference = next(retraining_differences(*(c.directory for c in copies)), None)
        yield name, Comparison(copies[0].step, difference)
