"""A run from wherever it is to its end: the search, then its retrainings, in one process."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from emtnas_hpc.agenda.incumbents import run_orders
from emtnas_hpc.agenda.transfers import open_transfers
from emtnas_hpc.experiment import StoredExperiment, dump_stored
from emtnas_hpc.retraining.directory import retraining_left, store_identity
from emtnas_hpc.retraining.order import RetrainingOrder
from emtnas_hpc.retraining.plan import RetrainingPlan
from emtnas_hpc.runner.attempts import Event
from emtnas_hpc.runner.interruption import StopRequest
from emtnas_hpc.runner.loop import Outcome, Progress
from emtnas_hpc.runner.terms import Reason, Terms
from emtnas_hpc.search.run_directory import (
    images_searched,
    read_stored,
    store_what_may_change,
    with_what_may_change,
)
from emtnas_hpc.search.session import (
    Listeners,
    SearchRequest,
    Session,
    continue_search,
    open_session,
    search_left,
)
from emtnas_hpc.store.claim import take
from emtnas_hpc.store.durable import write_file


def carry_on(
    request: SearchRequest,
    listeners: Listeners,
    stop: StopRequest,
    terms: Terms | None = None,
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
    terms, listeners = terms or Terms(), _warned_of_divergence(listeners)
    search = search_left(request, listeners.say)
    if search is None:
        left = _left(request, run_orders(request.paths, request.experiment), listeners)
        if not left:
            _say_what_is_asked(request, listeners, terms)
            return Outcome.DONE
        with open_session(request, listeners, terms) as session:
            store_what_may_change(request.paths, request.experiment, session.opened.claim)
            return _continue_retrainings(session, left, stop)
    open_transfers(request, listeners.say)
    with open_session(request, listeners, terms) as session:
        if continue_search(session, search, stop) is Outcome.MORE:
            return Outcome.MORE
        orders = run_orders(request.paths, request.experiment)
        left = _left(request, orders, listeners)
        return _continue_retrainings(session, left, stop, has_worked=True)


def carry_on_retrainings(
    request: SearchRequest,
    orders: Sequence[RetrainingOrder],
    listeners: Listeners,
    stop: StopRequest,
    terms: Terms | None = None,
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
    left = _left(request, orders, listeners, other_images=other_images)
    if not left:
        return Outcome.DONE
    listeners = _warned_of_divergence(listeners)
    with open_session(request, listeners, terms or Terms()) as session:
        _say_what_it_is_for(session)
        return _continue_retrainings(session, left, stop)


def _warned_of_divergence(listeners: Listeners) -> Listeners:
    """They are told, once for each search of a task and each retraining, that its loss diverged."""
    told: set[str] = set()

    def on_progress(progress: Progress) -> None:
        listeners.progress(progress)
        for name, warning in _divergences(progress.summary):
            if name not in told:
                told.add(name)
                listeners.say(f"warning: {warning}")

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
    request: SearchRequest,
    orders: Sequence[RetrainingOrder],
    listeners: Listeners,
    *,
    other_images: bool = False,
) -> list[RetrainingPlan]:
    said: list[str] = []

    def say(line: str) -> None:
        # Retrainings of several depths have the same images, of which all is to be said once.
        if line not in said:
            said.append(line)
            listeners.say(line)

    plans = [
        retraining_left(
            request.paths,
            order,
            request.data_dir,
            mend=request.mend,
            say=say,
            searched=images_searched(request.paths),
            other_images=other_images,
        )
        for order in orders
    ]
    return [plan for plan in plans if plan is not None]


def _say_what_is_asked(request: SearchRequest, listeners: Listeners, terms: Terms) -> None:
    """In the experiment.toml of a run that has all of it, and may ask for more: a job would go on.

    One that asks for just that is only read.
    """
    stored, asked = read_stored(request.paths), request.experiment
    if stored is None or with_what_may_change(stored.experiment, asked) == stored.experiment:
        return
    claim = take(
        request.paths,
        terms.me,
        say=listeners.say,
        take_over=request.take_over,
        job_is_gone=terms.job_is_gone,
    )
    try:
        store_what_may_change(request.paths, asked, claim)
    finally:
        claim.release()


def _continue_retrainings(
    session: Session,
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


def _is_to_stop(session: Session, has_worked: bool) -> bool:
    """Whether it was called off, or no commit fits any more; what a step takes nobody knows yet.

    A start without a step is never out of time: the next one would not get any further.
    """
    reason = session.terms.reason_to_stop(0.0)
    if reason is None or (reason is Reason.DEADLINE and not has_worked):
        return False
    session.opened.attempt.event(Event.STOPPED, reason=reason)
    return True


def _say_what_it_is_for(session: Session) -> None:
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
