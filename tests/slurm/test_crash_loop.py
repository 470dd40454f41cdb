from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emtnas_hpc.runner.attempts import AttemptRecord
from emtnas_hpc.slurm.crash_loop import MAX_FAILURES, AttemptResult, find_crash_loop, judge_attempts

Start = Callable[..., AttemptRecord]
Event = dict[str, object]

COMMITTED: Event = {"event": "committed", "step": 1}
FAILED: Event = {"event": "failed", "error": "ValueError: bad shape"}
STOPPED: Event = {"event": "stopped", "signal": "SIGUSR2"}


def _attempt(
    *events: Event, job: str | None = "7", restarts: int = 0, lead_s: float = 120.0
) -> AttemptRecord:
    provenance = {
        "job_id": job,
        "restart_count": restarts,
        "lead_time_s": lead_s,
        "time_left_s": 600.0,
    }
    return AttemptRecord(1, "token", Path("attempt"), provenance, list(events), 0.0)


def _signal(name: str, seconds_left: float | None) -> Event:
    return {"event": "signal", "signal": name, "seconds_left": seconds_left}


#: A start that is under way: nothing is known of its end.
NOW = _attempt(job="99")


def _outcome(*attempts: AttemptRecord) -> AttemptResult:
    return judge_attempts(attempts)[0].result


def test_an_exception_is_a_failure_and_is_named() -> None:
    [ending] = judge_attempts([_attempt(FAILED)])
    assert ending.result is AttemptResult.FAILED
    assert "ValueError: bad shape" in ending.reason


def test_an_attempt_that_vanished_without_a_signal_is_a_failure_once_another_job_starts() -> None:
    assert _outcome(_attempt(), NOW) is AttemptResult.FAILED


def test_an_attempt_that_slurm_requeued_by_itself_is_an_interruption() -> None:
    """Its node failed: nobody signalled it, and the same job starts once more."""
    assert _outcome(_attempt(restarts=1), _attempt(restarts=2)) is AttemptResult.INTERRUPTED


def test_an_attempt_that_vanished_in_a_job_that_was_not_requeued_is_a_failure() -> None:
    assert _outcome(_attempt(restarts=1), _attempt(restarts=1)) is AttemptResult.FAILED


def test_an_attempt_that_was_killed_after_a_signal_is_an_interruption() -> None:
    assert _outcome(_attempt(_signal("SIGTERM", 5000.0)), NOW) is AttemptResult.INTERRUPTED


@pytest.mark.parametrize("name", ["SIGUSR2", "SIGTERM"])
@pytest.mark.parametrize("seconds_left", [-3.0, 0.0, 120.0, 180.0])
def test_a_signal_shortly_before_the_limit_is_a_failure(name: str, seconds_left: float) -> None:
    assert _outcome(_attempt(_signal(name, seconds_left), STOPPED)) is AttemptResult.FAILED


@pytest.mark.parametrize("seconds_left", [181.0, 80_000.0, None])
def test_a_signal_long_before_the_limit_is_a_preemption(seconds_left: float | None) -> None:
    assert (
        _outcome(_attempt(_signal("SIGUSR2", seconds_left), STOPPED)) is AttemptResult.INTERRUPTED
    )


def test_waking_up_shortly_before_the_limit_says_nothing_of_a_crash() -> None:
    assert _outcome(_attempt(_signal("SIGCONT", 10.0)), NOW) is AttemptResult.FAILED
    assert "vanished" in judge_attempts([_attempt(_signal("SIGCONT", 10.0)), NOW])[0].reason


def test_what_is_said_of_the_limit_names_how_long_a_generation_lasted() -> None:
    abandoned: Event = {"event": "abandoned", "step": 1, "seconds": 480.0}
    [ending] = judge_attempts([_attempt(_signal("SIGUSR2", 100.0), abandoned)])
    assert ending.reason == (
        "one generation takes more than 8 min, the limit is 10 min, of which 2 min are lead time"
    )


def test_a_step_of_a_retraining_is_not_called_a_generation() -> None:
    name = "retraining/digits-n1-quick"
    resumed: Event = {"event": "resumed", "stage": name, "step": 3}
    signal = _signal("SIGUSR2", 100.0)
    abandoned: Event = {"event": "abandoned", "stage": name, "step": 4, "seconds": 420.0}
    [ending] = judge_attempts([_attempt(resumed, signal, abandoned)])
    assert ending.reason.startswith(f"one step of {name} takes more than 7 min, the limit is ")
    [ending] = judge_attempts([_attempt(resumed, signal, STOPPED)])
    assert ending.reason.startswith(f"no step of {name} ended before the time limit; ")


def test_an_attempt_that_never_came_to_a_generation_names_the_limit_only() -> None:
    [ending] = judge_attempts([_attempt(_signal("SIGUSR2", 100.0), STOPPED)])
    assert ending.reason == (
        "no generation ended before the time limit; "
        "the limit is 10 min, of which 2 min are lead time"
    )


@pytest.mark.parametrize("end", ["superseded", "left", "stopped", "abandoned", "finished"])
def test_an_attempt_that_left_in_good_order_is_an_interruption(end: str) -> None:
    assert _outcome(_attempt({"event": end})) is AttemptResult.INTERRUPTED


def test_a_commit_is_progress_whatever_came_after() -> None:
    assert _outcome(_attempt(COMMITTED, FAILED)) is AttemptResult.PROGRESS
    assert _outcome(_attempt(COMMITTED), NOW) is AttemptResult.PROGRESS


def test_what_failed_in_the_foreground_is_an_interruption() -> None:
    assert _outcome(_attempt(FAILED, job=None)) is AttemptResult.INTERRUPTED
    assert _outcome(_attempt(job=None), NOW) is AttemptResult.INTERRUPTED


def test_nothing_is_said_of_an_attempt_that_is_under_way() -> None:
    assert [ending.result for ending in judge_attempts([_attempt(COMMITTED), NOW])] == [
        AttemptResult.PROGRESS
    ]
    assert judge_attempts([NOW]) == []
    assert judge_attempts([]) == []


def test_the_reason_to_give_up_is_that_of_the_last_failure() -> None:
    attempts = [_attempt(job="1"), _attempt(job="2"), _attempt(FAILED, job="3")]
    assert find_crash_loop(attempts) == (
        "3 starts in a row without progress; the last one ended with ValueError: bad shape"
    )


def test_an_owner_that_lives_is_not_judged_by_the_attempts_after_it() -> None:
    """It runs on; three others came, and found that they were not needed."""
    owner = replace(_attempt(job="1"), token="owner")
    left: Event = {"event": "left", "reason": "owned"}
    after = [_attempt(left, job="2"), _attempt(FAILED, job="3"), _attempt(FAILED, job="4")]
    assert find_crash_loop([owner, *after]) is not None
    assert find_crash_loop([owner, *after], living="owner") is None


def test_what_led_to_giving_up_once_is_forgiven_when_the_run_is_taken_up_again() -> None:
    hopeless = [_attempt(FAILED), _attempt(FAILED), _attempt(FAILED, {"event": "gave_up"})]
    again = [*hopeless, _attempt(FAILED), _attempt(FAILED)]
    assert find_crash_loop(hopeless) is None
    assert find_crash_loop([*again, NOW]) is None
    assert find_crash_loop([*again, _attempt(FAILED)]) is not None


def _crash(n: int) -> AttemptRecord:
    return _attempt(job=str(n))


def _failure(n: int) -> AttemptRecord:
    return _attempt(FAILED, job=str(n))


def _limit(n: int) -> AttemptRecord:
    return _attempt(_signal("SIGUSR2", 60.0), STOPPED, job=str(n))


def _preemption(n: int) -> AttemptRecord:
    return _attempt(_signal("SIGUSR2", 5000.0), STOPPED, job=str(n))


def _killed_preemption(n: int) -> AttemptRecord:
    return _attempt(_signal("SIGTERM", 5000.0), job=str(n))


def _progress(n: int) -> AttemptRecord:
    return _attempt(COMMITTED, job=str(n))


FAILURES = (_crash, _failure, _limit)
INTERRUPTIONS = (_preemption, _killed_preemption)
sequences = st.lists(st.sampled_from((*FAILURES, *INTERRUPTIONS, _progress)), max_size=12)


def _reason(kinds: list[Callable[[int], AttemptRecord]]) -> str | None:
    """As the next start finds it."""
    return find_crash_loop([*(kind(n) for n, kind in enumerate(kinds)), NOW])


@given(sequences)
def test_a_run_is_given_up_if_three_failures_came_since_its_last_progress(kinds) -> None:
    since = kinds[::-1]
    if _progress in since:
        since = since[: since.index(_progress)]
    n_failures = sum(kind in FAILURES for kind in since)
    assert (_reason(kinds) is not None) == (n_failures >= MAX_FAILURES)


@given(sequences)
def test_progress_always_gives_hope_back(kinds) -> None:
    assert _reason([*kinds, _progress]) is None


@given(st.lists(st.sampled_from(INTERRUPTIONS)))
def test_no_number_of_preemptions_ends_a_run(kinds) -> None:
    assert _reason(kinds) is None


@given(sequences, st.integers(0, 12), st.sampled_from(INTERRUPTIONS))
def test_a_preemption_changes_nothing_wherever_it_comes(kinds, at, interruption) -> None:
    assert _reason([*kinds[:at], interruption, *kinds[at:]]) == _reason(kinds)
