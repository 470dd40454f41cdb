import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Emtnas
from fake_slurm import FakeSlurm
from launches import NAMED, launch, run

from emtnas_hpc.slurm.job_files import new_record, read_records, write_flag, write_record

pytestmark = pytest.mark.slow


def test_a_refusal_on_the_way_keeps_what_was_submitted_and_the_next_launch_adds_the_rest(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    slurm.accept_only(2)
    result = launch(emtnas, data, "--seeds", 3)
    assert result.code == 1
    assert result.err == (
        "error: sbatch refused: full; 2 of 3 seeds were submitted; the same command goes on\n"
    )
    assert "seed 0: submitted: job 1\ntiny, seed 1: submitted: job 2\n" in result.out
    assert slurm.jobs == {"1": "", "2": ""}
    slurm.accept()
    result = launch(emtnas, data, "--seeds", 3)
    assert result.code == 0
    assert "seed 1: standby job added: 5" in result.out
    assert slurm.jobs == {
        "1": "",
        "2": "",
        "3": "",
        "4": "afterany:1",
        "5": "afterany:2",
        "6": "afterany:3",
    }


def test_a_refused_standby_job_keeps_no_seed_from_its_first_job(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    slurm.accept_only(4)
    result = launch(emtnas, data, "--seeds", 3)
    assert result.code == 0
    assert result.err.startswith(
        "warning: 2 standby jobs were not submitted (sbatch refused: full); a "
    )
    assert slurm.jobs == {"1": "", "2": "", "3": "", "4": "afterany:1"}
    assert "seed 0: submitted: job 1, 4 behind it\ntiny, seed 1: submitted: job 2\n" in result.out


def test_a_seed_that_is_cancelled_while_it_is_launched_stays_cancelled(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def store(*_arguments: object) -> None:
        write_flag(run(0).cancelled, "by me", "token")

    monkeypatch.setattr("emtnas_hpc.slurm.missing_jobs.store_experiment", store)
    result = launch(emtnas, data)
    assert "seed 0: left alone, cancelled: by me" in result.out
    assert slurm.submissions == 0
    assert run(0).cancelled.exists()


KILLED = """\
import os, sys
from emtnas_hpc.slurm import submit
from emtnas_hpc.cli.app import run_command_line
submit.record_submitted = lambda *_arguments: os.kill(os.getpid(), 9)
sys.exit(run_command_line(sys.argv[1:]))
"""


def test_a_launch_that_was_killed_before_it_knew_the_jobs_number_is_made_good(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, environment: dict[str, str]
) -> None:
    environment["PATH"] = str(slurm.folder)
    arguments = ["launch", *NAMED, "--data", str(data)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], env=environment)
    assert killed.returncode == -signal.SIGKILL
    assert list(slurm.jobs) == ["1"]
    assert [record.pending for record in read_records(run(0).jobs)] == [True]
    result = launch(emtnas, data)
    assert result.code == 0
    assert "cancelling what an earlier command left in the queue: job 1" in result.err
    assert slurm.jobs == {"2": "", "3": "afterany:2"}
    *others, intent = read_records(run(0).jobs)
    assert intent.void
    assert [record.job_id for record in others] == ["2", "3"]
    leftovers = {path.suffix for path in run(0).jobs.directory.iterdir() if path.is_file()}
    assert leftovers == {".json", ".toml"}


@pytest.mark.parametrize("minutes", [0, 9])
def test_without_locks_only_an_old_submission_counts_as_one_whose_author_died(
    emtnas: Emtnas,
    slurm: FakeSlurm,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    minutes: int,
) -> None:
    def refuse(_descriptor: int, _how: int) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    assert launch(emtnas, data).code == 0
    slurm.end("2")
    slurm.start("1")
    # The job has just submitted its standby job, and has not yet heard of its number.
    intent = new_record(run(), "1")
    write_record(run().jobs, intent)
    with (slurm.folder / "queue").open("a") as queue:
        queue.write(f"9|{intent.name}|PENDING|None|0|N/A|afterany:1||\n")
    pickle = run().jobs.directory / "9.pkl"
    pickle.touch()
    record = run().jobs.record(intent.intent)
    os.utime(record, (record.stat().st_atime, record.stat().st_mtime - 60 * minutes))
    result = launch(emtnas, data)
    assert result.code == 0, result.err
    assert ("9" in slurm.jobs) == (minutes == 0)
    assert read_records(run().jobs)[-1].void == (minutes != 0)
    assert pickle.exists()


def test_of_two_launches_at_a_time_one_submits(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, environment: dict[str, str]
) -> None:
    environment["PATH"] = str(slurm.folder)
    command = [sys.executable, "-m", "emtnas_hpc", "launch", *NAMED, "--data", str(data)]
    both = [
        subprocess.Popen([*command, "--seeds", "3"], env=environment, stdout=subprocess.PIPE)
        for _launch in range(2)
    ]
    outputs = [process.communicate()[0].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert slurm.submissions == 6
    assert sorted(output.count(": submitted:") for output in outputs) == [0, 3]
