import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Emtnas, snapshot
from fake_slurm import FakeSlurm
from launches import NAMED, launch, run

from emtnas_hpc.checkpoint.ownership import acquire, this_process
from emtnas_hpc.settings.names import read_stored
from emtnas_hpc.slurm.job_files import read_job_spec, read_records, write_flag


def test_every_seed_gets_a_job_and_a_standby_job_behind_it(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    result = launch(emtnas, data, "--seeds", 2, "--partition", "gpu")
    assert (result.code, result.err) == (0, "")
    assert slurm.jobs == {"1": "", "2": "", "3": "afterany:1", "4": "afterany:2"}
    assert result.out.endswith(
        "tiny, seed 0: submitted: job 1, 3 behind it\ntiny, seed 1: submitted: job 2, 4 behind it\n"
    )
    for seed in (0, 1):
        stored, request = read_stored(run(seed)), read_job_spec(run(seed).jobs)
        assert stored is not None
        assert request is not None
        assert (stored.seed, request.data_dir, request.profile.time) == (seed, data, 1440)
        assert not run(seed).owner.exists()
        assert [record.pending for record in read_records(run(seed).jobs)] == [False, False]


def test_launched_twice_is_submitted_once(emtnas: Emtnas, slurm: FakeSlurm, data: Path) -> None:
    launch(emtnas, data)
    slurm.start("1")
    before = snapshot(Path("runs"))
    again = launch(emtnas, data)
    assert again.code == 0
    assert "tiny, seed 0: left alone, in the queue: job 1 running, job 2 pending" in again.out
    assert slurm.submissions == 2
    assert snapshot(Path("runs")) == before


def test_a_path_need_not_be_text(emtnas: Emtnas, slurm: FakeSlurm, data: Path) -> None:
    folder = os.fsdecode(b"r\xff")
    result = launch(emtnas, data, "--runs", folder)
    assert result.err == ""
    assert result.out.endswith("tiny, seed 0: submitted: job 1, 2 behind it\n")
    assert len(list(Path(folder).glob("tiny/jobs/seed-0/*/*_submission.sh"))) == 2


def test_what_is_typed_for_mating_is_said_to_do_nothing_in_a_random_search(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    random = ("--set", "search.strategy=random", "--set", "search.reevaluate=false")
    assert launch(emtnas, data, *random, "--dry-run").err == ""
    result = launch(emtnas, data, *random, "--set", "search.rmp=0.5", "--dry-run")
    assert (result.code, result.err) == (
        0,
        "warning: search.rmp: without effect on tiny, a random search: no child has parents\n",
    )


def test_further_seeds_are_added_to_those_that_are_there(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    launch(emtnas, data)
    launch(emtnas, data, "--seeds", 2)
    assert slurm.submissions == 4


def test_a_finished_seed_is_left_alone_even_without_its_data(
    emtnas: Emtnas, slurm: FakeSlurm, finished: Path, here: Path
) -> None:
    result = emtnas("launch", *NAMED, "--seeds", 2, "--runs", finished, "--data", here / "gone")
    assert result.code == 0
    assert "tiny, seed 0: left alone, done\ntiny, seed 1: left alone, done\n" in result.out
    assert slurm.submissions == 0


def test_a_seed_whose_retraining_is_left_is_submitted_for_it(
    emtnas: Emtnas, slurm: FakeSlurm, finished: Path, data: Path, here: Path
) -> None:
    shutil.copytree(finished, here / "runs")
    result = launch(emtnas, data, "--set", "retraining.normal_cells=[1]")
    assert result.code == 0, result.err
    assert "tiny, seed 0: submitted: job 1, 2 behind it" in result.out
    stored = read_stored(run(0))
    assert stored is not None
    assert stored.experiment.retraining.normal_cells == (1,)


def test_a_seed_in_the_foreground_is_left_to_it(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    lease = acquire(run(0), this_process())
    result = launch(emtnas, data)
    lease.release()
    assert f"left alone, running: by process {os.getpid()} on" in result.out
    assert slurm.submissions == 0


def test_a_cancelled_seed_is_left_to_resume_and_a_failed_one_taken_up(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    launch(emtnas, data, "--seeds", 2)
    slurm.end("1", "3", "2")
    write_flag(run(0).cancelled, "by me", "token")
    write_flag(run(1).failed, "three crashes", "token")
    result = launch(emtnas, data, "--seeds", 2)
    assert "seed 0: left alone, cancelled: by me; `emtnas-hpc resume` takes it up" in result.out
    assert "seed 1: submitted: job 5, 6 behind it" in result.out
    assert "cancelling what an earlier command left in the queue: job 4" in result.err
    assert list(slurm.jobs) == ["5", "6"]
    assert run(0).cancelled.exists()
    assert not run(1).failed.exists()


@pytest.mark.slow
def test_launching_needs_no_torch(
    slurm: FakeSlurm, data: Path, environment: dict[str, str]
) -> None:
    code = (
        "import sys; from emtnas_hpc.cli.app import run_command_line; "
        "code = run_command_line(sys.argv[1:]); sys.exit(code or 'torch' in sys.modules)"
    )
    environment["PATH"] = str(slurm.folder)
    for command in (["launch", *NAMED, "--data", str(data)], ["resume"]):
        done = subprocess.run([sys.executable, "-c", code, *command], env=environment)
        assert done.returncode == 0
    assert slurm.submissions == 2


def test_each_run_is_read_once_for_the_plan_and_once_with_the_lock_and_its_data_once(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def count(module: str, name: str) -> None:
        function = getattr(sys.modules[module], name)

        def counted(*arguments: object, **options: object) -> object:
            read.append(f"{name} {arguments[0]}")
            return function(*arguments, **options)

        monkeypatch.setattr(f"{module}.{name}", counted)

    count("emtnas_hpc.slurm.snapshot", "read_snapshot")
    count("emtnas_hpc.search.run_dir", "open_task")
    assert launch(emtnas, data, "--seeds", 2).code == 0
    runs = [f"read_snapshot {run(seed).directory}" for seed in (0, 1)]
    assert read == ["open_task digits", *runs, *runs]
