from pathlib import Path

import pytest
from stand_ins import record_job

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.cli.logs import Reader, find_logs


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / "a" / "seed-0")


def _write(run: RunPaths, job_id: str, data: bytes) -> None:
    folder = run.jobs.logs(job_id)
    folder.mkdir(exist_ok=True)
    with (folder / f"{job_id}_0_log.out").open("ab") as file:
        file.write(data)


def _news(reader: Reader) -> list[tuple[str | None, str]]:
    return [(log.record.job_id, text) for log, text in reader.read()]


def test_logs_are_found_in_the_order_of_submission(run: RunPaths) -> None:
    for job_id in ("9", "10", "11"):
        record_job(run, job_id)
    record_job(run, None)
    for job_id in ("10", "9"):
        _write(run, job_id, b"")
    (run.jobs.logs("9") / "9_submission.sh").touch()
    (run.jobs.logs("9") / "9_0_log.err").touch()
    names = [log.path.name for log in find_logs(run, pytest.fail)]
    assert names == ["9_0_log.out", "9_0_log.err", "10_0_log.out"]


def test_a_run_without_jobs_has_no_logs(run: RunPaths) -> None:
    assert find_logs(run, pytest.fail) == []


def test_a_reader_goes_on_where_it_was_over_requeues_and_standby_jobs(run: RunPaths) -> None:
    record_job(run, "1")
    reader = Reader(run)
    assert _news(reader) == []
    _write(run, "1", b"one\n")
    assert _news(reader) == [("1", "one\n")]
    assert _news(reader) == []
    record_job(run, "2")
    _write(run, "1", b"two\n")
    _write(run, "2", b"three\n")
    assert _news(reader) == [("1", "two\n"), ("2", "three\n")]


def test_a_sign_that_is_half_written_waits_for_its_other_half(run: RunPaths) -> None:
    record_job(run, "1")
    reader = Reader(run)
    _write(run, "1", "ü".encode()[:1])
    assert _news(reader) == []
    _write(run, "1", "ü".encode()[1:] + b"\xff")
    assert _news(reader) == [("1", "ü�")]


def test_the_newest_job_that_has_written_comes_without_what_was_before(run: RunPaths) -> None:
    for job_id, data in (("1", b"one\n"), ("2", b"two\n"), ("3", b"")):
        record_job(run, job_id)
        _write(run, job_id, data)
    reader = Reader(run, newest_only=True)
    assert _news(reader) == [("2", "two\n")]
    _write(run, "1", b"more\n")
    _write(run, "3", b"three\n")
    assert _news(reader) == [("1", "more\n"), ("3", "three\n")]
