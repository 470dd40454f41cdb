import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import Emtnas, run_here

sys.path.insert(0, str(Path(__file__).parents[1] / "slurm"))
sys.path.insert(0, str(Path(__file__).parents[1] / "search"))

from fake import commit_search
from stand_ins import StandIns, queue_line, record_job

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.cli import logs


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    return StandIns(tmp_path / "commands", monkeypatch)


@pytest.fixture
def run(here: Path, stand_ins: StandIns) -> RunPaths:
    """A seed whose first job is over and whose second one runs."""
    run = RunPaths(Path("runs/fake/seed-0"))
    commit_search(run.directory, until=2)
    for job_id in ("1", "2"):
        record = record_job(run, job_id)
        _write(run, job_id, f"job {job_id} begins\n")
    stand_ins.queue(queue_line(record, "RUNNING"))
    return run


def _write(run: RunPaths, job_id: str, text: str) -> None:
    folder = run.jobs.logs(job_id)
    folder.mkdir(exist_ok=True)
    with (folder / f"{job_id}_0_log.out").open("a") as file:
        file.write(text)


def _heading(job_id: str) -> str:
    return f"==> job {job_id}: runs/fake/jobs/seed-0/{job_id}/{job_id}_0_log.out <=="


def test_the_newest_job_s_log_is_printed_under_its_heading(emtnas: Emtnas, run: RunPaths) -> None:
    result = emtnas("logs", "fake/seed-0")
    assert (result.code, result.err) == (0, "")
    assert result.out == f"{_heading('2')}\njob 2 begins\n"


def test_all_logs_come_in_the_order_of_the_jobs(emtnas: Emtnas, run: RunPaths) -> None:
    assert emtnas("logs", "fake/seed-0", "--all").out.splitlines() == [
        _heading("1"),
        "job 1 begins",
        "",
        _heading("2"),
        "job 2 begins",
    ]


def test_following_goes_on_over_a_requeue_and_a_standby_job_until_the_seed_is_at_its_end(
    run: RunPaths, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def sleep(_seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            _write(run, "2", "job 2 begins again\nand dies in the midd")
        elif looks == 2:
            record = record_job(run, "3")
            stand_ins.queue(queue_line(record, "RUNNING"))
        elif looks == 30:
            _write(run, "3", "job 3 begins\n")
        elif looks == 60:
            stand_ins.queue()

    monkeypatch.setattr(logs, "time", SimpleNamespace(sleep=sleep))
    result = run_here("logs", "fake", "--follow")
    assert result.code == 0
    assert result.out.splitlines() == [
        _heading("2"),
        "job 2 begins",
        "job 2 begins again",
        "and dies in the midd",
        "",
        _heading("3"),
        "job 3 begins",
    ]
    assert result.err == ("runs/fake/seed-0 is lost: job 3 left the queue; `resume` goes on\n")


def test_ctrl_c_ends_following_as_it_should(run: RunPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(logs, "time", SimpleNamespace(sleep=sleep))
    result = run_here("logs", "fake", "--follow")
    assert (result.code, result.err) == (0, "")
    assert "job 2 begins" in result.out


def test_a_search_in_the_foreground_has_no_logs(emtnas: Emtnas, here: Path) -> None:
    commit_search(Path("runs/fake/seed-0"), until=2)
    for arguments in ((), ("--follow",)):
        result = emtnas("logs", "fake", *arguments)
        assert result.code == 2
        assert "runs/fake/seed-0 has no jobs: a search in the foreground prints" in result.err


def test_a_job_that_has_not_begun_has_no_log_yet(emtnas: Emtnas, here: Path) -> None:
    commit_search(Path("runs/fake/seed-0"), until=2)
    record_job(RunPaths(Path("runs/fake/seed-0")), "1")
    result = emtnas("logs", "fake")
    assert result.code == 2
    assert "no job of runs/fake/seed-0 has a log yet; `emtnas-hpc status` says why" in result.err


def test_one_seed_at_a_time(emtnas: Emtnas, run: RunPaths) -> None:
    commit_search(Path("runs/fake/seed-1"), seed=1, until=2)
    result = emtnas("logs", "fake")
    assert result.code == 2
    assert "fake is 2 runs, expected one, such as runs/fake/seed-0" in result.err
