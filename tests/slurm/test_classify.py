from dataclasses import replace
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.ownership import Owner
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.slurm.job_files import JobRecord
from emtnas_hpc.slurm.queue import QueuedJob
from emtnas_hpc.slurm.reconcile import State, active_job, classify
from emtnas_hpc.slurm.snapshot import LastAttempt, RunSnapshot

OWNER = Owner("t", "laptop", "boot", "ns", 42, 1, "now")
RECORD = JobRecord("0" * 8, "emtnas-a-s0-00000000", 1.0, None, "12")
RUNNING = QueuedJob("12", RECORD.name, "RUNNING", nodes="n1")
WAITING = QueuedJob("12", RECORD.name, "PENDING", "Resources")
STANDBY = QueuedJob("13", "spare", "PENDING", "Dependency", dependency="afterany:12(unfulfilled)")
ALIVE = LastAttempt(None, "", 5.0)
SILENT = LastAttempt(None, "", 500.0)
STOPPED = LastAttempt("stopped", "SIGUSR2", 500.0)
FAILED = LastAttempt("failed", "RuntimeError: out of memory", 500.0)

#: It watched the owner, and went; its file is the newest, and tells nothing of the owner.
LEFT = LastAttempt("left", "is owned by process 42", 900.0)

RUN = RunSnapshot(RunPaths(Path("runs/a/seed-0")))
LAUNCHED = replace(RUN, records=(RECORD,))
IN_FOREGROUND = replace(RUN, owner=OWNER, owner_silent_s=5.0, last=ALIVE)


def _judged(run: RunSnapshot) -> tuple[str, str]:
    status = classify(run)
    return status.state.value, status.reason


def test_what_is_finished_is_done_whatever_else_is_the_case() -> None:
    run = replace(RUN, finished=True, cancelled="by me", failed="no", jobs=(STANDBY,), last=FAILED)
    assert _judged(run) == ("done", "")


def test_a_mark_counts_before_the_jobs_that_are_still_ending() -> None:
    run = replace(LAUNCHED, cancelled="by me", jobs=(RUNNING, STANDBY))
    assert _judged(run) == ("cancelled", "by me (still in the queue: 12, 13)")
    run = replace(LAUNCHED, failed="3 starts without progress")
    assert _judged(run) == ("failed", "3 starts without progress")


def test_the_job_that_runs_carries_a_seed_before_its_standby_job() -> None:
    status = classify(replace(LAUNCHED, jobs=(STANDBY, RUNNING), last=ALIVE))
    assert (status.state, status.reason, status.job) == (State.RUNNING, "", RUNNING)


@pytest.mark.parametrize("state", ["SUSPENDED", "CONFIGURING", "COMPLETING"])
def test_a_job_that_does_not_quite_run_says_what_it_does(state: str) -> None:
    run = replace(LAUNCHED, jobs=(replace(RUNNING, state=state), STANDBY))
    assert _judged(run) == ("running", f"job 12 is {state.lower()}")


def test_a_job_that_runs_but_is_silent_says_so() -> None:
    run = replace(LAUNCHED, jobs=(RUNNING,), last=SILENT)
    assert _judged(run) == ("running", "job 12 on n1 shows no sign of life")
    assert _judged(replace(run, last=STOPPED)) == ("running", "")


def test_a_job_that_owns_the_run_is_judged_by_its_own_signs_of_life() -> None:
    owner = replace(OWNER, job_id="12")
    hangs = replace(LAUNCHED, jobs=(RUNNING,), owner=owner, owner_silent_s=500.0, last=LEFT)
    assert _judged(hangs) == ("running", "job 12 on n1 shows no sign of life")
    assert _judged(replace(hangs, owner_silent_s=5.0, last=SILENT)) == ("running", "")


@pytest.mark.parametrize("job", [replace(RUNNING, job_id="13"), replace(RUNNING, restarts=1)])
def test_a_job_that_has_just_begun_is_not_judged_by_the_owner_that_it_will_supersede(
    job: QueuedJob,
) -> None:
    dead = replace(OWNER, job_id="12")
    begins = replace(LAUNCHED, jobs=(job,), owner=dead, owner_silent_s=500.0, last=ALIVE)
    assert _judged(begins) == ("running", "")


def test_a_job_that_waits_says_why_and_whether_it_has_begun_before() -> None:
    run = replace(LAUNCHED, jobs=(WAITING,))
    assert _judged(run) == ("queued", "job 12 waits for free nodes")
    again = replace(WAITING, restarts=1, reason="BeginTime")
    run = replace(run, jobs=(STANDBY, again), last=STOPPED)
    assert _judged(run) == ("requeued", "job 12 may begin again in a moment")


def test_the_standby_job_goes_on_after_a_job_that_failed() -> None:
    run = replace(LAUNCHED, jobs=(replace(STANDBY, reason="Priority"),), last=FAILED)
    assert _judged(run) == ("queued", "job 13 waits for jobs of higher priority")


def test_of_several_jobs_the_one_that_will_begin_first_carries() -> None:
    ending = replace(RUNNING, state="COMPLETING")
    requeued = replace(WAITING, job_id="14", restarts=2)
    assert active_job([STANDBY, ending, RUNNING]) == RUNNING
    assert active_job([STANDBY, ending]) == ending
    assert active_job([STANDBY, WAITING]) == WAITING
    assert active_job([STANDBY, WAITING, requeued]) == requeued


def test_a_process_in_the_foreground_of_this_machine_runs_or_is_gone() -> None:
    alive = replace(IN_FOREGROUND, owner_lives=True, owner_silent_s=500.0)
    assert _judged(alive) == ("running", "in the foreground: process 42 on laptop")
    assert classify(replace(alive, cancelled="by me")).state is State.RUNNING
    dead = replace(IN_FOREGROUND, owner_lives=False)
    assert _judged(dead) == ("lost", "process 42 on laptop is gone; the same command goes on")


def test_one_of_another_machine_runs_while_it_shows_signs_of_life() -> None:
    assert classify(IN_FOREGROUND).state is State.RUNNING
    silent = replace(IN_FOREGROUND, owner_silent_s=500.0)
    said = "process 42 on laptop shows no sign of life; the same command goes on"
    assert _judged(silent) == ("lost", said)
    assert classify(replace(IN_FOREGROUND, owner_silent_s=None)).state is State.LOST


def test_one_of_another_machine_is_not_lost_because_a_later_start_went_away() -> None:
    assert classify(replace(IN_FOREGROUND, last=LEFT)).state is State.RUNNING


def test_what_was_heard_last_is_of_the_owner_where_there_is_one() -> None:
    assert replace(IN_FOREGROUND, last=LEFT).silent_s == 5.0
    assert replace(RUN, last=LEFT).silent_s == 900.0
    assert RUN.silent_s is None


def test_one_of_another_machine_runs_whatever_mark_or_queue_says() -> None:
    for mark in ({"cancelled": "by me"}, {"failed": "three crashes"}):
        assert classify(replace(IN_FOREGROUND, **mark)).state is State.RUNNING
    run = replace(IN_FOREGROUND, records=(RECORD,), jobs=(WAITING,))
    assert _judged(run) == ("running", "in the foreground: process 42 on laptop")


def test_without_the_queue_a_seed_that_has_jobs_is_known_to_run_only_while_it_lives() -> None:
    unasked = replace(LAUNCHED, jobs=None, owner=replace(OWNER, job_id="12"), last=ALIVE)
    assert _judged(unasked) == ("running", "it lives; SLURM cannot be asked")
    for last in (SILENT, STOPPED, None):
        assert _judged(replace(unasked, last=last))[0] == "unknown"
    heard = replace(unasked, owner_silent_s=5.0, last=LEFT)
    assert _judged(heard) == ("running", "it lives; SLURM cannot be asked")


@pytest.mark.parametrize(
    ("last", "state", "said"),
    [
        (STOPPED, "stopped", "by SIGUSR2; job 12 left the queue (TIMEOUT); "),
        (FAILED, "failed", "RuntimeError: out of memory; job 12 left the queue (TIMEOUT); "),
        (SILENT, "lost", "job 12 left the queue (TIMEOUT); "),
        (None, "lost", "job 12 left the queue (TIMEOUT); "),
    ],
)
def test_a_seed_whose_jobs_are_gone_says_how_they_ended(
    last: LastAttempt | None, state: str, said: str
) -> None:
    run = replace(LAUNCHED, last=last, endings={"12": "TIMEOUT", "11": "FAILED"})
    assert _judged(run) == (state, f"{said}`resume` goes on")


def test_without_accounts_a_job_has_just_left_the_queue() -> None:
    assert _judged(LAUNCHED) == ("lost", "job 12 left the queue; `resume` goes on")


def test_an_intent_without_an_answer_is_lost_and_one_that_was_given_up_is_no_job() -> None:
    intent = replace(RECORD, job_id=None)
    run = replace(RUN, records=(intent,))
    assert _judged(run) == ("lost", "`launch` died before SLURM answered; `resume` goes on")
    later = replace(intent, void=True, submitted=2.0)
    assert classify(replace(RUN, records=(RECORD, later))).reason.startswith("job 12 left")


def test_a_run_of_the_foreground_that_was_stopped_goes_on_by_the_same_command() -> None:
    interrupted = LastAttempt("abandoned", "SIGINT", 9.0)
    run = replace(RUN, last=interrupted)
    assert _judged(run) == ("stopped", "by SIGINT; the same command goes on")


def test_a_run_that_never_began_says_so() -> None:
    assert _judged(RUN) == ("stopped", "has not begun; `launch` or `run` begins it")


@pytest.mark.parametrize(
    "run",
    [
        RUN,
        replace(RUN, last=STOPPED),
        replace(LAUNCHED, last=FAILED),
        replace(LAUNCHED, last=SILENT),
        replace(IN_FOREGROUND, owner_lives=False),
        replace(IN_FOREGROUND, owner_silent_s=500.0, records=(RECORD,), jobs=None),
    ],
)
def test_what_nobody_carries_is_unreadable_where_not_all_of_it_could_be_read(
    run: RunSnapshot,
) -> None:
    assert _judged(replace(run, unreadable="no good commit")) == ("unreadable", "no good commit")


@pytest.mark.parametrize(
    "run",
    [
        replace(RUN, finished=True),
        IN_FOREGROUND,
        replace(LAUNCHED, cancelled="by me"),
        replace(LAUNCHED, failed="3 starts without progress"),
        replace(LAUNCHED, jobs=(RUNNING,), last=ALIVE),
        replace(LAUNCHED, jobs=(WAITING,)),
        replace(LAUNCHED, jobs=None),
        replace(LAUNCHED, jobs=None, last=ALIVE),
    ],
)
def test_what_is_known_of_a_seed_holds_though_not_all_of_it_could_be_read(
    run: RunSnapshot,
) -> None:
    assert classify(replace(run, unreadable="no good commit")) == classify(run)


def test_only_what_somebody_carries_moves() -> None:
    moving = {state for state in State if state.moves}
    assert moving == {State.QUEUED, State.RUNNING, State.REQUEUED, State.UNKNOWN}
