from dataclasses import replace

import pytest

from emtnas_hpc.cluster.queue import QueuedJob
from emtnas_hpc.cluster.records import JobRecord
from emtnas_hpc.cluster.state import Evidence, LastStart, State, carrier, judge_seed
from emtnas_hpc.store.owner import Owner

OWNER = Owner("t", "laptop", "boot", "ns", 42, 1, "now")
RECORD = JobRecord("0" * 8, "emtnas-a-s0-00000000", 1.0, None, "12")
RUNNING = QueuedJob("12", RECORD.name, "RUNNING", nodes="n1")
WAITING = QueuedJob("12", RECORD.name, "PENDING", "Resources")
SPARE = QueuedJob("13", "spare", "PENDING", "Dependency", dependency="afterany:12(unfulfilled)")
ALIVE = LastStart(None, "", 5.0)
SILENT = LastStart(None, "", 500.0)
STOPPED = LastStart("stopped", "SIGUSR2", 500.0)
FAILED = LastStart("failed", "RuntimeError: out of memory", 500.0)

#: It watched the owner, and went; its file is the newest, and tells nothing of the owner.
LEFT = LastStart("left", "is owned by process 42", 900.0)

LAUNCHED = Evidence(records=(RECORD,))
IN_FOREGROUND = Evidence(owner=OWNER, owner_silent_s=5.0, last=ALIVE)


def _judged(evidence: Evidence) -> tuple[str, str]:
    standing = judge_seed(evidence)
    return standing.state.value, standing.reason


def test_what_is_finished_is_done_whatever_else_is_the_case() -> None:
    seed = Evidence(finished=True, cancelled="by me", failed="no", jobs=(SPARE,), last=FAILED)
    assert _judged(seed) == ("done", "")


def test_a_mark_counts_before_the_jobs_that_are_still_ending() -> None:
    seed = replace(LAUNCHED, cancelled="by me", jobs=(RUNNING, SPARE))
    assert _judged(seed) == ("cancelled", "by me (still in the queue: 12, 13)")
    seed = replace(LAUNCHED, failed="3 starts without progress")
    assert _judged(seed) == ("failed", "3 starts without progress")


def test_the_job_that_runs_carries_a_seed_before_its_spare() -> None:
    standing = judge_seed(replace(LAUNCHED, jobs=(SPARE, RUNNING), last=ALIVE))
    assert (standing.state, standing.reason, standing.job) == (State.RUNNING, "", RUNNING)


@pytest.mark.parametrize("state", ["SUSPENDED", "CONFIGURING", "COMPLETING"])
def test_a_job_that_does_not_quite_run_says_what_it_does(state: str) -> None:
    seed = replace(LAUNCHED, jobs=(replace(RUNNING, state=state), SPARE))
    assert _judged(seed) == ("running", f"job 12 is {state.lower()}")


def test_a_job_that_runs_but_is_silent_says_so() -> None:
    seed = replace(LAUNCHED, jobs=(RUNNING,), last=SILENT)
    assert _judged(seed) == ("running", "job 12 on n1 shows no sign of life")
    assert _judged(replace(seed, last=STOPPED)) == ("running", "")


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
    seed = replace(LAUNCHED, jobs=(WAITING,))
    assert _judged(seed) == ("queued", "job 12 waits for free nodes")
    again = replace(WAITING, restarts=1, reason="BeginTime")
    seed = replace(seed, jobs=(SPARE, again), last=STOPPED)
    assert _judged(seed) == ("requeued", "job 12 may begin again in a moment")


def test_the_spare_goes_on_after_a_job_that_failed() -> None:
    seed = replace(LAUNCHED, jobs=(replace(SPARE, reason="Priority"),), last=FAILED)
    assert _judged(seed) == ("queued", "job 13 waits for jobs of higher priority")


def test_of_several_jobs_the_one_that_will_begin_first_carries() -> None:
    ending = replace(RUNNING, state="COMPLETING")
    requeued = replace(WAITING, job_id="14", restarts=2)
    assert carrier([SPARE, ending, RUNNING]) == RUNNING
    assert carrier([SPARE, ending]) == ending
    assert carrier([SPARE, WAITING]) == WAITING
    assert carrier([SPARE, WAITING, requeued]) == requeued


def test_a_process_in_the_foreground_of_this_machine_runs_or_is_gone() -> None:
    alive = replace(IN_FOREGROUND, owner_lives=True, owner_silent_s=500.0)
    assert _judged(alive) == ("running", "in the foreground: process 42 on laptop")
    assert judge_seed(replace(alive, cancelled="by me")).state is State.RUNNING
    dead = replace(IN_FOREGROUND, owner_lives=False)
    assert _judged(dead) == ("lost", "process 42 on laptop is gone; the same command goes on")


def test_one_of_another_machine_runs_while_it_shows_signs_of_life() -> None:
    assert judge_seed(IN_FOREGROUND).state is State.RUNNING
    silent = replace(IN_FOREGROUND, owner_silent_s=500.0)
    said = "process 42 on laptop shows no sign of life; the same command goes on"
    assert _judged(silent) == ("lost", said)
    assert judge_seed(replace(IN_FOREGROUND, owner_silent_s=None)).state is State.LOST


def test_one_of_another_machine_is_not_lost_because_a_later_start_went_away() -> None:
    assert judge_seed(replace(IN_FOREGROUND, last=LEFT)).state is State.RUNNING


def test_what_was_heard_last_is_of_the_owner_where_there_is_one() -> None:
    assert replace(IN_FOREGROUND, last=LEFT).silent_s == 5.0
    assert Evidence(last=LEFT).silent_s == 900.0
    assert Evidence().silent_s is None


def test_one_of_another_machine_runs_whatever_mark_or_queue_says() -> None:
    for mark in ({"cancelled": "by me"}, {"failed": "three crashes"}):
        assert judge_seed(replace(IN_FOREGROUND, **mark)).state is State.RUNNING
    seed = replace(IN_FOREGROUND, records=(RECORD,), jobs=(WAITING,))
    assert _judged(seed) == ("running", "in the foreground: process 42 on laptop")


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
    last: LastStart | None, state: str, said: str
) -> None:
    seed = replace(LAUNCHED, last=last, endings={"12": "TIMEOUT", "11": "FAILED"})
    assert _judged(seed) == (state, f"{said}`resume` goes on")


def test_without_accounts_a_job_has_just_left_the_queue() -> None:
    assert _judged(LAUNCHED) == ("lost", "job 12 left the queue; `resume` goes on")


def test_an_intent_without_an_answer_is_lost_and_one_that_was_given_up_is_no_job() -> None:
    intent = replace(RECORD, job_id=None)
    seed = Evidence(records=(intent,))
    assert _judged(seed) == ("lost", "`launch` died before SLURM answered; `resume` goes on")
    later = replace(intent, void=True, submitted=2.0)
    assert judge_seed(Evidence(records=(RECORD, later))).reason.startswith("job 12 left")


def test_a_run_of_the_foreground_that_was_stopped_goes_on_by_the_same_command() -> None:
    interrupted = LastStart("abandoned", "SIGINT", 9.0)
    seed = Evidence(last=interrupted)
    assert _judged(seed) == ("stopped", "by SIGINT; the same command goes on")


def test_a_run_that_never_began_says_so() -> None:
    assert _judged(Evidence()) == ("stopped", "has not begun; `launch` or `run` begins it")


@pytest.mark.parametrize(
    "seed",
    [
        Evidence(),
        Evidence(last=STOPPED),
        replace(LAUNCHED, last=FAILED),
        replace(LAUNCHED, last=SILENT),
        replace(IN_FOREGROUND, owner_lives=False),
        replace(IN_FOREGROUND, owner_silent_s=500.0, records=(RECORD,), jobs=None),
    ],
)
def test_what_nobody_carries_is_unreadable_where_not_all_of_it_could_be_read(
    seed: Evidence,
) -> None:
    assert _judged(replace(seed, unreadable="no good commit")) == ("unreadable", "no good commit")


@pytest.mark.parametrize(
    "seed",
    [
        Evidence(finished=True),
        IN_FOREGROUND,
        replace(LAUNCHED, cancelled="by me"),
        replace(LAUNCHED, failed="3 starts without progress"),
        replace(LAUNCHED, jobs=(RUNNING,), last=ALIVE),
        replace(LAUNCHED, jobs=(WAITING,)),
        replace(LAUNCHED, jobs=None),
        replace(LAUNCHED, jobs=None, last=ALIVE),
    ],
)
def test_what_is_known_of_a_seed_holds_though_not_all_of_it_could_be_read(seed: Evidence) -> None:
    assert judge_seed(replace(seed, unreadable="no good commit")) == judge_seed(seed)


def test_only_what_somebody_carries_moves() -> None:
    moving = {state for state in State if state.moves}
    assert moving == {State.QUEUED, State.RUNNING, State.REQUEUED, State.UNKNOWN}
