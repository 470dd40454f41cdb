import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import StorageError
from emtnas_hpc.runner import attempts
from emtnas_hpc.runner.attempts import ENDS, HEARTBEAT_S, Attempt, Event, read_attempts
from emtnas_hpc.slurm import reconcile


@pytest.fixture
def attempt(paths: RunPaths, clock: Callable[[], float]) -> Iterator[Attempt]:
    attempt = Attempt(paths, "ab12", {"threads": 2}, clock=clock)
    yield attempt
    attempt.close()


def test_the_first_line_tells_where_the_attempt_runs(paths: RunPaths, attempt: Attempt) -> None:
    first = json.loads(paths.attempt(1, "ab12").read_text())
    assert first["pid"] == os.getpid()
    assert first["threads"] == 2
    assert set(first) == {"time", "host", "pid", "argv", "python", "platform", "threads"}


def test_attempts_are_numbered_through(paths: RunPaths, attempt: Attempt) -> None:
    second = Attempt(paths, "cd34", {})
    second.close()
    assert [(a.number, a.token) for a in read_attempts(paths)] == [(1, "ab12"), (2, "cd34")]


def test_events_are_on_the_disk_at_once_and_in_order(paths: RunPaths, attempt: Attempt) -> None:
    attempt.event("started", step=0)
    attempt.event("committed", step=1, loss=0.5)
    (record,) = read_attempts(paths)
    assert [event["event"] for event in record.events] == ["started", "committed"]
    assert record.events[1]["loss"] == 0.5
    assert record.provenance["threads"] == 2


def test_what_is_known_later_joins_the_provenance(paths: RunPaths, attempt: Attempt) -> None:
    attempt.event("signal", signal="SIGTERM")
    attempt.describe({"torch": "2.9", "threads": 1})
    (record,) = read_attempts(paths)
    assert (record.provenance["torch"], record.provenance["threads"]) == ("2.9", 1)
    assert record.provenance["pid"] == os.getpid()
    assert [event["event"] for event in record.events] == ["signal"]


def test_an_attempt_that_says_nothing_of_it_has_owned_its_run(
    paths: RunPaths, attempt: Attempt
) -> None:
    with Attempt(paths, "cd34", {"owned": False}) as second:
        assert [a.has_owned for a in read_attempts(paths)] == [True, False]
        second.describe({"owned": True})
    assert [a.has_owned for a in read_attempts(paths)] == [True, True]


def test_a_torn_last_line_is_left_out(paths: RunPaths, attempt: Attempt) -> None:
    attempt.event("started", step=0)
    with attempt.path.open("ab") as file:
        file.write(b'{"event": "commi')
    (record,) = read_attempts(paths)
    assert [event["event"] for event in record.events] == ["started"]


@pytest.mark.parametrize("content", [b"", b'{"ho', b"[1]\n", b"\xff\n"])
def test_an_attempt_that_never_finished_its_first_line_has_no_provenance(
    paths: RunPaths, attempt: Attempt, content: bytes
) -> None:
    attempt.path.write_bytes(content)
    (record,) = read_attempts(paths)
    assert (record.provenance, record.events) == ({}, [])


def test_an_event_after_a_torn_one_is_whole(
    paths: RunPaths, attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:5]))
        attempt.event("committed", step=1)
    attempt.event("committed", step=2)
    (record,) = read_attempts(paths)
    assert [event["step"] for event in record.events] == [2]


def test_the_heartbeat_is_shown_every_thirty_seconds(
    attempt: Attempt, paths: RunPaths, clock: Callable[[], float]
) -> None:
    os.utime(attempt.path, (0, 0))
    clock.now = HEARTBEAT_S - 1
    attempt.touch()
    assert read_attempts(paths)[0].heartbeat == 0
    clock.now = HEARTBEAT_S
    attempt.touch()
    assert read_attempts(paths)[0].heartbeat > 0
    os.utime(attempt.path, (0, 0))
    clock.now += HEARTBEAT_S - 1
    attempt.touch()
    assert read_attempts(paths)[0].heartbeat == 0


def test_a_run_without_attempts_has_none(paths: RunPaths) -> None:
    assert read_attempts(paths) == []


def test_an_attempt_that_cannot_be_begun_is_a_storage_error(paths: RunPaths) -> None:
    paths.directory.mkdir()
    paths.attempts.touch()
    with pytest.raises(StorageError, match="attempts"):
        Attempt(paths, "ab12", {})


def test_an_attempt_that_cannot_be_read_is_a_storage_error(
    paths: RunPaths, attempt: Attempt
) -> None:
    attempt.path.unlink()
    attempt.path.mkdir()
    with pytest.raises(StorageError, match=r"cannot read .*0001-ab12\.jsonl"):
        read_attempts(paths)


def test_every_event_that_the_program_writes_is_a_known_one() -> None:
    root = Path(attempts.__file__).parents[1]
    written = re.compile(r"\.(?:event|record)\(\s*([\w.]+|\"\w+\")[,)]")
    words = {word for file in root.rglob("*.py") for word in written.findall(file.read_text())}
    known = {f"Event.{kind.name}" for kind in Event} | {f'"{kind}"' for kind in Event}
    assert "Event.STOPPED" in words
    assert {word for word in words if '"' in word or word.startswith("Event.")} <= known


def test_what_status_and_guard_understand_as_an_end_is_the_same() -> None:
    assert {*reconcile.UNFINISHED_ENDS, Event.FINISHED} == ENDS
