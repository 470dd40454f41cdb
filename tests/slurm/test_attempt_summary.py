import os
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.runner.attempts import Attempt
from emtnas_hpc.runner.context import Reason
from emtnas_hpc.slurm.snapshot import AttemptSummary, LastAttempt, summarise_attempts


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / "seed-0")


def _start(run: RunPaths, token: str, *events: str, **provenance: object) -> Path:
    attempt = Attempt(run, token, provenance)
    for event in events:
        attempt.event(event, signal="SIGUSR2")
    attempt.close()
    os.utime(attempt.path, (1000.0, 1000.0))
    return attempt.path


def test_a_run_that_never_began_has_no_start(run: RunPaths) -> None:
    assert summarise_attempts(run, 0.0) == AttemptSummary()


def test_the_newest_start_counts_with_its_age_by_the_file_servers_clock(run: RunPaths) -> None:
    _start(run, "a", "started", "committed", "stopped")
    _start(run, "b", "resumed", "committed")
    assert summarise_attempts(run, 1010.0).last == LastAttempt(None, "", 10.0)
    assert summarise_attempts(run, 990.0).last == LastAttempt(None, "", 0.0)


def test_every_start_has_its_own_last_sign_of_life(run: RunPaths) -> None:
    os.utime(_start(run, "a", "started"), (1005.0, 1005.0))
    _start(run, "b", "left")
    starts = summarise_attempts(run, 1010.0)
    assert starts.silences == {"a": 5.0, "b": 10.0}
    assert starts.last == LastAttempt("left", "SIGUSR2", 10.0)


def test_what_a_start_tells_after_its_end_does_not_hide_the_end(run: RunPaths) -> None:
    _start(run, "a", "started", "stopped", "spare_cancelled")
    assert summarise_attempts(run, 1000.0).last == LastAttempt("stopped", "SIGUSR2", 0.0)


def test_every_reason_to_stop_has_words_for_the_user(run: RunPaths) -> None:
    for reason in Reason:
        with Attempt(run, reason.value, {}) as attempt:
            attempt.event("stopped", reason=reason)
        last = summarise_attempts(run, 0.0).last
        assert last is not None
        assert last.detail not in ("", reason)


def test_the_requeues_of_every_job_are_counted_once(run: RunPaths) -> None:
    _start(run, "a", job_id="7", restart_count=0)
    _start(run, "b", job_id="7", restart_count=2)
    _start(run, "c", job_id="7", restart_count=1)
    _start(run, "d", job_id="8")
    _start(run, "e")
    assert summarise_attempts(run, 0.0).restarts == {"7": 2, "8": 0}


def test_torn_lines_are_left_out(run: RunPaths) -> None:
    path = _start(run, "a", "stopped", job_id="7")
    text = path.read_bytes()
    path.write_bytes(text + b'{"event": "fai')
    assert summarise_attempts(run, 0.0).restarts == {"7": 0}
    last = summarise_attempts(run, 0.0).last
    assert last is not None
    assert last.end == "stopped"
    path.write_bytes(b"")
    assert summarise_attempts(run, 0.0).restarts == {}
