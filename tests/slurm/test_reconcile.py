from dataclasses import replace
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.ownership import Owner, this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.slurm.job_files import JobRecord, own_jobs
from emtnas_hpc.slurm.queue import Queue, QueuedJob
from emtnas_hpc.slurm.reconcile import Action, classify, reconcile
from emtnas_hpc.slurm.snapshot import SILENCE_S, LastAttempt, RunSnapshot

RUN = RunSnapshot(RunPaths(Path("runs/a/seed-0")))
MAIN = JobRecord("a", "job-a", 1.0, None, "1")
STANDBY = JobRecord("b", "job-b", 2.0, "1", "2")
PENDING = JobRecord("c", "job-c", 3.0, "1", None)
RUNNING = QueuedJob("1", "job-a", "RUNNING")
WAITING = QueuedJob("2", "job-b", "PENDING", "Dependency")
ORPHAN = QueuedJob("3", "job-c", "PENDING", "Dependency")


def in_queue() -> RunSnapshot:
    return replace(RUN, records=(MAIN, STANDBY), jobs=(RUNNING, WAITING))


def test_a_new_seed_is_submitted_with_its_standby_jobs() -> None:
    decision = reconcile(RUN, 2)
    assert (decision.action, decision.state, decision.n_standby) == (Action.SUBMIT, "new", 2)
    assert decision.after is None


def test_a_seed_in_the_queue_is_left_alone_and_its_jobs_named() -> None:
    decision = reconcile(in_queue(), 1)
    assert (decision.action, decision.cancel) == (Action.LEAVE, ())
    assert decision.why == "job 1 running, job 2 pending"


def test_a_chain_that_was_never_completed_is() -> None:
    decision = reconcile(replace(RUN, records=(MAIN,), jobs=(RUNNING,)), 2)
    assert (decision.action, decision.after, decision.n_standby) == (Action.ADD_STANDBY, "1", 2)


def test_a_job_of_an_unanswered_intent_is_called_off_and_never_adopted() -> None:
    alone = reconcile(replace(RUN, records=(PENDING,), jobs=(ORPHAN,)), 1)
    assert (alone.action, alone.cancel) == (Action.SUBMIT, (ORPHAN,))
    behind = reconcile(replace(RUN, records=(MAIN, PENDING), jobs=(RUNNING, ORPHAN)), 1)
    assert (behind.action, behind.cancel, behind.n_standby) == (Action.ADD_STANDBY, (ORPHAN,), 1)


def test_a_finished_seed_is_left_alone_whatever_else_is_there() -> None:
    decision = reconcile(replace(RUN, finished=True, cancelled="by me", failed="no"), 1)
    assert (decision.action, decision.state, decision.why) == (Action.LEAVE, "done", "")


def test_jobs_that_are_at_more_than_is_asked_for_are_named_and_get_no_standby_job() -> None:
    """All that is asked for now is there; what they were launched for before may not be."""
    decision = reconcile(replace(in_queue(), finished=True), 5)
    assert (decision.action, decision.state) == (Action.LEAVE, "in the queue")
    assert (decision.why, decision.cancel) == ("job 1 running, job 2 pending", ())
    orphaned = reconcile(replace(RUN, finished=True, records=(PENDING,), jobs=(ORPHAN,)), 1)
    assert (orphaned.state, orphaned.cancel) == ("done", (ORPHAN,))


def test_a_cancelled_seed_is_left_alone_by_launch_and_taken_up_by_resume() -> None:
    cancelled = replace(in_queue(), cancelled="by me")
    left = reconcile(cancelled, 1)
    assert (left.action, left.state) == (Action.LEAVE, "cancelled")
    assert left.why == "by me; `emtnas-hpc resume` takes it up"
    taken = reconcile(cancelled, 1, resuming=True)
    assert (taken.action, taken.cancel) == (Action.SUBMIT, (RUNNING, WAITING))


def test_a_failed_seed_is_taken_up_once_the_rest_of_its_jobs_is_gone() -> None:
    decision = reconcile(replace(in_queue(), failed="three crashes"), 1)
    assert (decision.action, decision.state) == (Action.SUBMIT, "failed")
    assert (decision.why, decision.cancel) == ("three crashes", (RUNNING, WAITING))


@pytest.mark.parametrize("evidence", [{"records": (MAIN,)}, {"last": LastAttempt(None, "", 1e6)}])
def test_a_seed_that_nobody_carries_any_more_is_submitted(evidence: dict[str, object]) -> None:
    decision = reconcile(replace(RUN, **evidence), 1)  # type: ignore[arg-type]
    assert (decision.action, decision.state) == (Action.SUBMIT, "stopped")


def owner(job_id: str | None = None) -> Owner:
    return this_process(job_id=job_id)


@pytest.mark.parametrize(
    ("lives", "silent_s", "action"),
    [
        (True, 1e6, Action.LEAVE),
        (False, 0.0, Action.SUBMIT),
        (None, SILENCE_S - 1, Action.LEAVE),
        (None, SILENCE_S + 1, Action.SUBMIT),
    ],
)
def test_a_process_in_the_foreground_keeps_its_seed_while_it_may_be_alive(
    lives: bool | None, silent_s: float, action: Action
) -> None:
    evidence = replace(RUN, owner=owner(), owner_lives=lives, owner_silent_s=silent_s)
    assert reconcile(evidence, 1).action is action


def test_a_process_in_the_foreground_keeps_its_seed_though_a_later_start_went_away() -> None:
    left = LastAttempt("left", "is owned", 5 * SILENCE_S)
    evidence = replace(RUN, owner=owner(), owner_silent_s=5.0, last=left)
    assert reconcile(evidence, 1).action is Action.LEAVE
    # Nor does the sign of life of another keep it.
    left = LastAttempt("left", "is owned", 5.0)
    evidence = replace(RUN, owner=owner(), owner_silent_s=5 * SILENCE_S, last=left)
    assert reconcile(evidence, 1).action is Action.SUBMIT


@pytest.mark.parametrize("mark", [{}, {"failed": "three crashes"}, {"cancelled": "by me"}])
@pytest.mark.parametrize("jobs", [(), (WAITING,)])
@pytest.mark.parametrize("lives", [True, None, False])
@pytest.mark.parametrize("silent_s", [5.0, 5 * SILENCE_S])
def test_what_is_left_to_the_foreground_is_what_is_shown_to_run_there(
    mark: dict[str, str], jobs: tuple[QueuedJob, ...], lives: bool | None, silent_s: float
) -> None:
    known = replace(RUN, owner=owner(), owner_lives=lives, owner_silent_s=silent_s, **mark)  # type: ignore[arg-type]
    last = LastAttempt(None, "", silent_s)
    seed = replace(known, last=last, records=(MAIN, STANDBY), jobs=jobs)
    shown = classify(seed).reason.startswith("in the foreground")
    assert (reconcile(seed, 1, resuming=True).state == "running") == shown


@pytest.mark.parametrize("mark", [{"failed": "three crashes"}, {"cancelled": "by me"}])
@pytest.mark.parametrize("resuming", [True, False])
@pytest.mark.parametrize("lives", [True, None])
def test_a_process_in_the_foreground_keeps_its_seed_whatever_mark_it_carries(
    mark: dict[str, str], resuming: bool, lives: bool | None
) -> None:
    evidence = replace(RUN, owner=owner(), owner_lives=lives, owner_silent_s=SILENCE_S - 1, **mark)  # type: ignore[arg-type]
    decision = reconcile(evidence, 1, resuming=resuming)
    assert (decision.action, decision.state) == (Action.LEAVE, "running")


def test_an_owner_in_a_job_counts_by_the_queue_alone() -> None:
    evidence = replace(RUN, owner=owner("7"), owner_silent_s=0.0, last=LastAttempt(None, "", 0.0))
    assert reconcile(evidence, 1).action is Action.SUBMIT


def test_jobs_are_ours_by_name_and_never_by_number_alone() -> None:
    stranger = QueuedJob("1", "somebody-elses", "RUNNING")
    assert own_jobs([MAIN, STANDBY], Queue([WAITING, stranger])) == (WAITING,)
    assert own_jobs([MAIN, STANDBY], Queue([WAITING, RUNNING])) == (RUNNING, WAITING)
