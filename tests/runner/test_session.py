import errno
import os
from dataclasses import replace

import pytest

from emtnas_hpc.checkpoint.ownership import Owner, acquire, read_owner, this_process
from emtnas_hpc.checkpoint.paths import RunPaths, temporary_name
from emtnas_hpc.errors import OwnedError, StoppedError, StorageError, SupersededError
from emtnas_hpc.runner.attempts import Attempt, read_attempts
from emtnas_hpc.runner.context import OpenRun, RunContext, end_recorded, open_run


def _open(
    paths: RunPaths,
    me: Owner | None = None,
    take_over: bool = False,
    terms: RunContext | None = None,
):
    terms = terms or RunContext(me or this_process())
    return open_run(paths, terms, provenance={"threads": 1}, take_over=take_over)


def _last_events(paths: RunPaths) -> list[dict[str, object]]:
    return read_attempts(paths)[-1].events


def test_a_run_is_owned_while_it_is_open(paths: RunPaths) -> None:
    me = this_process()
    with _open(paths, me) as opened:
        assert read_owner(paths.owner) == me
        opened.claim.check()
        with pytest.raises(OwnedError), _open(paths):
            pytest.fail("opened twice")
    assert read_owner(paths.owner) is None


def test_every_opening_is_an_attempt_with_its_provenance(paths: RunPaths) -> None:
    for _ in range(2):
        with _open(paths):
            pass
    assert [attempt.number for attempt in read_attempts(paths)] == [1, 2]
    assert read_attempts(paths)[1].provenance["threads"] == 1


def test_a_refused_start_is_no_attempt(paths: RunPaths) -> None:
    with _open(paths), pytest.raises(OwnedError), _open(paths):
        pytest.fail("opened twice")
    assert len(read_attempts(paths)) == 1


def test_what_superseded_attempts_left_is_deleted(paths: RunPaths) -> None:
    with _open(paths) as opened:
        dead = opened.claim.token
    stage = paths.stage("search")
    stage.temporary(3, dead).mkdir(parents=True)
    stage.temporary(3, "beef").mkdir()
    with _open(paths):
        assert not stage.temporary(3, dead).exists()
        assert stage.temporary(3, "beef").exists()


def test_what_a_process_left_that_was_killed_before_its_attempt_is_deleted(
    paths: RunPaths,
) -> None:
    killed = replace(this_process(), started=1)
    paths.directory.mkdir()
    paths.owner.write_text(killed.to_text())
    left = temporary_name(paths.experiment, killed.token)
    left.touch()
    with _open(paths):
        assert not left.exists()


def test_an_attempt_that_was_begun_before_the_ownership_goes_on_with_it(paths: RunPaths) -> None:
    me = this_process()
    with Attempt(paths, me.token, {"owned": False, "job_id": "7"}) as attempt:
        with _open(paths, terms=RunContext(me, attempt)) as opened:
            assert opened.attempt is attempt
        attempt.event("after")
    (record,) = read_attempts(paths)
    assert (record.has_owned, record.provenance["job_id"]) == (True, "7")
    assert record.provenance["threads"] == 1


def test_the_end_of_an_attempt_is_recorded_by_whoever_began_it(paths: RunPaths) -> None:
    me = this_process()
    with (
        pytest.raises(ValueError, match="bad"),
        Attempt(paths, me.token, {}) as attempt,
        end_recorded(attempt),
        _open(paths, terms=RunContext(me, attempt)),
    ):
        raise ValueError("bad")
    assert [event["event"] for event in _last_events(paths)] == ["failed"]


def test_a_start_that_never_owned_the_run_is_not_cleaned_up_after(paths: RunPaths) -> None:
    """It may be about to take the run."""
    with Attempt(paths, "beef", {"owned": False}), Attempt(paths, "dead", {"owned": True}):
        written = [temporary_name(paths.owner, token) for token in ("beef", "dead")]
        for path in written:
            path.touch()
        with _open(paths):
            assert [path.exists() for path in written] == [True, False]


def test_a_stop_before_the_loop_is_recorded_as_a_stop(paths: RunPaths) -> None:
    with pytest.raises(StoppedError), _open(paths):
        raise StoppedError("SIGTERM")
    (event,) = _last_events(paths)
    assert (event["event"], event["signal"]) == ("stopped", "SIGTERM")
    assert read_owner(paths.owner) is None


def test_whom_a_run_was_taken_from_is_recorded(paths: RunPaths) -> None:
    first = this_process()
    acquire(paths, first)
    with _open(paths, take_over=True):
        (event,) = _last_events(paths)
        assert event["event"] == "took_over"
        assert event["owner"] == str(first)


def test_an_exception_is_recorded_by_its_last_line_and_goes_on(paths: RunPaths) -> None:
    with pytest.raises(ValueError, match="bad shape"), _open(paths):
        raise ValueError("bad shape")
    assert _last_events(paths)[-1]["event"] == "failed"
    assert _last_events(paths)[-1]["error"] == "ValueError: bad shape"
    assert read_owner(paths.owner) is None


def test_an_interrupt_is_recorded_as_a_stop_at_once(paths: RunPaths) -> None:
    with pytest.raises(KeyboardInterrupt), _open(paths):
        raise KeyboardInterrupt
    assert _last_events(paths)[-1]["event"] == "stopped"
    assert _last_events(paths)[-1]["at_once"] is True
    assert read_owner(paths.owner) is None


def test_a_superseded_process_says_so_in_its_own_attempt_and_frees_nothing(
    paths: RunPaths,
) -> None:
    second = this_process()

    def be_superseded(opened: OpenRun) -> None:
        acquire(paths, second, take_over=True)
        opened.claim.check()

    with pytest.raises(SupersededError), _open(paths) as opened:
        be_superseded(opened)
    assert _last_events(paths)[-1]["event"] == "superseded"
    assert read_owner(paths.owner) == second


def test_a_disk_too_full_for_events_does_not_hide_the_error(
    paths: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    def fail() -> None:
        monkeypatch.setattr(os, "write", refuse)
        raise ValueError("bad shape")

    with pytest.raises(ValueError, match="bad shape"), _open(paths):
        fail()
    assert read_owner(paths.owner) is None


def test_a_run_whose_attempt_cannot_be_begun_is_given_back(paths: RunPaths) -> None:
    paths.directory.mkdir()
    paths.attempts.touch()
    with pytest.raises(StorageError), _open(paths):
        pytest.fail("opened")
    assert read_owner(paths.owner) is None
