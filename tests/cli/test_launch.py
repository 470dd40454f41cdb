import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import TINY, Emtnas, Result, snapshot

sys.path.insert(0, str(Path(__file__).parents[1] / "cluster"))

from fake_slurm import FakeSlurm

from emtnas_hpc.cluster.marks import write_mark
from emtnas_hpc.cluster.records import read_records
from emtnas_hpc.cluster.request import read_request
from emtnas_hpc.search.run_directory import read_stored
from emtnas_hpc.store.claim import take
from emtnas_hpc.store.owner import this_process
from emtnas_hpc.store.paths import RunPaths

NAMED = (*TINY, "--name", "tiny")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """A cluster of two partitions, and no profiles but the shipped ones."""
    monkeypatch.setenv("EMTNAS_PROFILES", str(tmp_path / "profiles"))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return FakeSlurm(tmp_path / "commands", monkeypatch)


def launch(emtnas: Emtnas, data: Path, *arguments: object) -> Result:
    return emtnas("launch", *NAMED, "--data", data, *arguments)


def run(seed: int = 0) -> RunPaths:
    return RunPaths(Path("runs") / "tiny" / f"seed-{seed}")


def test_every_seed_gets_a_job_and_a_spare_behind_it(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    result = launch(emtnas, data, "--seeds", 2, "--partition", "gpu")
    assert (result.code, result.err) == (0, "")
    assert slurm.jobs == {"1": "", "2": "", "3": "afterany:1", "4": "afterany:2"}
    assert result.out.endswith(
        "tiny, seed 0: submitted: job 1, 3 behind it\ntiny, seed 1: submitted: job 2, 4 behind it\n"
    )
    for seed in (0, 1):
        stored, request = read_stored(run(seed)), read_request(run(seed).jobs)
        assert stored is not None
        assert request is not None
        assert (stored.seed, request.data_dir, request.profile.time) == (seed, data, 1440)
        assert not run(seed).owner.exists()
        assert [record.open for record in read_records(run(seed).jobs)] == [False, False]


def test_launched_twice_is_submitted_once(emtnas: Emtnas, slurm: FakeSlurm, data: Path) -> None:
    launch(emtnas, data)
    slurm.start("1")
    before = snapshot(Path("runs"))
    again = launch(emtnas, data)
    assert again.code == 0
    assert "tiny, seed 0: left alone, in the queue: job 1 running, job 2 pending" in again.out
    assert slurm.submissions == 2
    assert snapshot(Path("runs")) == before


def test_further_seeds_are_added_to_those_that_are_there(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    launch(emtnas, data)
    launch(emtnas, data, "--seeds", 2)
    assert slurm.submissions == 4


def test_the_plan_tells_every_value_with_its_origin(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    result = launch(emtnas, data, "--partition", "gpu", "--time", "6:00:00", "--dry-run")
    rows = {line.split("  ")[0]: line for line in result.out.splitlines()}
    assert "--partition" in rows["partition"]
    assert "06:00:00" in rows["time"]
    assert "--time" in rows["time"]
    assert "the shipped default" in rows["memory_gb"]
    assert "2 min 01 s" in rows["a generation"]
    assert "guess: the paper's CIFAR search on a 2080Ti" in rows["a generation"]
    assert "Without any waiting in the queue the last seed ends on" in result.out
    assert "On the disk these runs take up to" in result.out


def test_a_dry_run_shows_what_sbatch_would_get_and_writes_nothing(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, here: Path
) -> None:
    result = launch(emtnas, data, "--dry-run", "--sbatch", "comment=mine")
    assert result.code == 0
    assert "#SBATCH --job-name=emtnas-tiny-s0-00000000\n" in result.out
    assert "#SBATCH --comment=mine\n" in result.out
    assert "submitit.core._submit" in result.out
    assert slurm.submissions == 0
    assert list(here.iterdir()) == []


def test_as_json_the_plan_and_the_jobs_are_one_document(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    result = launch(emtnas, data, "--seeds", "3,", "--json")
    [experiment] = json.loads(result.out)["experiments"]
    assert experiment["request"]["partition"] == {
        "value": "gpu",
        "origin": "SLURM's default partition",
    }
    [seed] = experiment["seeds"]
    assert (seed["seed"], seed["state"], seed["action"]) == (3, "new", "submitted")
    assert seed["jobs"] == ["1", "2"]
    assert seed["plan"]["n_jobs"] == 1
    assert "sbatch" not in experiment
    assert (
        "sbatch"
        in json.loads(launch(emtnas, data, "--seeds", "4,", "--json", "--dry-run").out)[
            "experiments"
        ][0]
    )


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
    assert "Retraining follows the search in the same jobs" in result.out
    assert "tiny, seed 0: submitted: job 1, 2 behind it" in result.out
    stored = read_stored(run(0))
    assert stored is not None
    assert stored.experiment.retraining.normal_cells == (1,)


def test_what_was_measured_takes_the_place_of_the_guess(
    emtnas: Emtnas, slurm: FakeSlurm, finished: Path, data: Path
) -> None:
    where = ("--runs", finished, "--data", data, "--seeds", "7,", "--dry-run", "--json")
    result = emtnas("launch", *NAMED, *where)
    [experiment] = json.loads(result.out)["experiments"]
    assert experiment["seconds_per_generation"]["origin"].startswith("measured in seed-0, seed-1")
    assert experiment["seconds_per_generation"]["value"] < 60
    assert experiment["commit_bytes"]["origin"] == "measured in seed-0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--partition", "gup"), "no partition 'gup' (--partition) on this cluster; did you mean"),
        (("--time", "2-0"), "time is 2-00:00:00 (--time), but partition gpu allows 1-00:00:00 at"),
        (("--time", "soon"), "--time: time is 'soon', expected a time limit"),
        (("--gpus", "3"), "gpus is 3 (--gpus), but partition gpu has rtx2080ti (2 a node)"),
        (("--profile", "ours"), "no profile or TOML file 'ours'; profiles are: default"),
        (("--sbatch", "array=0-4"), "--sbatch: sbatch: expected no array here: a job sets it"),
        (("--seeds", "none"), "--seeds is 'none', expected a number (5) or a list"),
        (("--device", "gpu"), "--device is 'gpu', expected auto, cpu, cuda or cuda:N"),
        (("--runs", "50%"), "50%/tiny/seed-0 has '%' in its path, which SLURM reads as a"),
        (("--set", "search.rmp=2"), "search.rmp is 2, expected a number from 0 to 1"),
    ],
)
def test_what_can_be_refused_is_before_anything_is_written(
    emtnas: Emtnas,
    slurm: FakeSlurm,
    data: Path,
    here: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    result = launch(emtnas, data, *arguments)
    assert (result.code, result.out) == (2, "")
    [line] = result.err.splitlines()
    assert line.startswith(f"error: {message}")
    assert list(here.iterdir()) == []
    assert slurm.submissions == 0


def test_what_slurm_would_not_accept_is_refused_in_its_words(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, here: Path
) -> None:
    slurm.write("sbatch", "echo 'allocation failure: Invalid account' >&2; exit 1")
    result = launch(emtnas, data)
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error: SLURM would not accept such a job: allocation failure: Invalid account\n"
    )
    assert list(here.iterdir()) == []


def test_missing_data_is_answered_with_the_command_that_mends_it(
    emtnas: Emtnas, slurm: FakeSlurm, here: Path
) -> None:
    result = emtnas("launch", "--seeds", 5, "--partition", "gpu")
    assert result.code == 2
    assert f"make it anew with: emtnas-hpc prepare cifar --data {here}/data" in result.err
    assert list(here.iterdir()) == []


def test_a_run_directory_of_other_settings_is_refused(
    emtnas: Emtnas, slurm: FakeSlurm, finished: Path, data: Path
) -> None:
    where = ("--runs", finished, "--data", data, "--set", "search.rmp=0.5")
    result = emtnas("launch", *NAMED, *where)
    assert result.code == 2
    assert "was made with other settings: search.rmp is 0.3 there, 0.5 here" in result.err
    assert slurm.submissions == 0


def test_a_cancelled_seed_is_left_to_resume_and_a_failed_one_taken_up(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    launch(emtnas, data, "--seeds", 2)
    slurm.end("1", "3", "2")
    write_mark(run(0).cancelled, "by me", "token")
    write_mark(run(1).failed, "three crashes", "token")
    result = launch(emtnas, data, "--seeds", 2)
    assert "seed 0: left alone, cancelled: by me; `emtnas-hpc resume` takes it up" in result.out
    assert "seed 1: submitted: job 5, 6 behind it" in result.out
    assert "cancelling what an earlier command left in the queue: job 4" in result.err
    assert list(slurm.jobs) == ["5", "6"]
    assert run(0).cancelled.exists()
    assert not run(1).failed.exists()


def test_resume_takes_up_what_was_launched_with_what_it_asked_for(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    launch(emtnas, data, "--seeds", 2, "--partition", "long", "--time", "50", "--device", "cpu")
    slurm.end("1", "3")
    write_mark(run(0).cancelled, "by me", "token")
    result = emtnas("resume", "tiny/seed-0")
    assert (result.code, result.err) == (0, "")
    assert result.out.endswith("tiny, seed 0: submitted: job 5, 6 behind it\n")
    assert not run(0).cancelled.exists()
    again = emtnas("resume", "--time", "70")
    assert "seed 0: left alone, in the queue: job 5 pending, job 6 pending" in again.out
    slurm.end("2", "4")
    emtnas("resume", "tiny", "--time", "70")
    request = read_request(run(1).jobs)
    assert request is not None
    assert (request.profile.partition, request.profile.time) == ("long", 70)
    assert request.device == "cpu"


def test_a_run_that_was_never_launched_cannot_be_resumed(
    emtnas: Emtnas, slurm: FakeSlurm, finished: Path
) -> None:
    named = emtnas("resume", "tiny", "--runs", finished)
    assert named.code == 2
    assert "tiny/seed-0 was never launched; `emtnas-hpc launch` or `run` goes on" in named.err
    unnamed = emtnas("resume", "--runs", finished)
    assert (unnamed.code, slurm.submissions) == (2, 0)


def test_a_seed_in_the_foreground_is_left_to_it(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    claim = take(run(0), this_process(), say=pytest.fail)
    result = launch(emtnas, data)
    claim.release()
    assert f"left alone, running: by process {os.getpid()} on" in result.out
    assert slurm.submissions == 0


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
    assert "seed 1: spare added: 5" in result.out
    assert slurm.jobs == {
        "1": "",
        "2": "",
        "3": "",
        "4": "afterany:1",
        "5": "afterany:2",
        "6": "afterany:3",
    }


def test_a_refused_spare_keeps_no_seed_from_its_first_job(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    slurm.accept_only(4)
    result = launch(emtnas, data, "--seeds", 3)
    assert result.code == 0
    assert result.err.startswith("warning: 2 spares were not submitted (sbatch refused: full); a ")
    assert slurm.jobs == {"1": "", "2": "", "3": "", "4": "afterany:1"}
    assert "seed 0: submitted: job 1, 4 behind it\ntiny, seed 1: submitted: job 2\n" in result.out


def test_a_seed_that_is_cancelled_while_it_is_launched_stays_cancelled(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def store(*_arguments: object) -> None:
        write_mark(run(0).cancelled, "by me", "token")

    monkeypatch.setattr("emtnas_hpc.cluster.launching._store_experiment", store)
    result = launch(emtnas, data)
    assert "seed 0: left alone, cancelled: by me" in result.out
    assert slurm.submissions == 0
    assert run(0).cancelled.exists()


@pytest.mark.parametrize("command", ["scontrol", "sinfo", "squeue", "sbatch"])
def test_a_scheduler_that_is_down_is_said_and_nothing_is_submitted(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, here: Path, command: str
) -> None:
    slurm.write(command, "echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1")
    result = launch(emtnas, data)
    assert result.code == 1
    assert "Unable to contact slurm controller" in result.err
    assert list(here.iterdir()) == []


KILLED = """\
import os, sys
from emtnas_hpc.cluster import submission
from emtnas_hpc.cli.app import run_command_line
submission.answered = lambda *_arguments: os.kill(os.getpid(), 9)
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
    assert [record.open for record in read_records(run(0).jobs)] == [True]
    result = launch(emtnas, data)
    assert result.code == 0
    assert "cancelling what an earlier command left in the queue: job 1" in result.err
    assert slurm.jobs == {"2": "", "3": "afterany:2"}
    *others, intent = read_records(run(0).jobs)
    assert intent.void
    assert [record.job_id for record in others] == ["2", "3"]
    leftovers = {path.suffix for path in run(0).jobs.directory.iterdir() if path.is_file()}
    assert leftovers == {".json", ".toml"}


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
