"""Faults under a real search, as a user would meet them on the command line."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SETTINGS = (
    # Enough for a search to be under way whenever a test gets round to a signal.
    "search.generations=16",
    "search.population=2",
    "supernet.channels=2",
    "training.batch_size=16",
    "training.batches=2",
    "evaluation.batch_size=32",
    "evaluation.recalibration_images=32",
    "run.commit_interval_s=0",
    "retraining.normal_cells=[]",
    'tasks=["digits"]',
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


class Search:
    """One run directory and the command that searches in it."""

    def __init__(self, runs, data, environment):
        sets = [word for setting in SETTINGS for word in ("--set", setting)]
        where = ["--name", "tiny", "--runs", str(runs), "--data", str(data)]
        self.command = [sys.executable, "-m", "emtnas_hpc", "run", "quickstart", *sets, *where]
        self.directory = Path(runs) / "tiny/seed-0"
        self.environment = environment

    def run(self, *options):
        return subprocess.run(
            [*self.command, *options],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, start_python):
        """A process that searches and tells its events."""
        return start_python(*self.command[1:], "--events")

    def commits(self):
        return sorted(path.name for path in (self.directory / "search").glob("0*"))

    def times(self):
        """When each file of a commit was last written."""
        files = self.directory.rglob("search/*/*")
        return {path: path.stat().st_mtime_ns for path in files}


def wait_for_generation(process, generation):
    for line in process.stdout:
        event = json.loads(line)
        if event["kind"] == "step" and event["step"] == generation:
            return
    raise AssertionError(process.stderr.read())


def leave_free(disk, filler, n_bytes):
    """Fills a disk so that a commit begins but does not fit."""
    status = os.statvfs(disk)
    filler.write_bytes(bytes(status.f_bavail * status.f_frsize - n_bytes))


def differences(a, b, environment):
    command = [sys.executable, "-m", "emtnas_hpc", "verify", str(a.directory), str(b.directory)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode else ""


@pytest.fixture(scope="module")
def module_environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data, module_environment):
    search = Search(tmp_path_factory.mktemp("whole"), data, module_environment)
    assert search.run().returncode == 0
    return search


def test_a_search_interrupted_in_every_phase_ends_in_the_bits_of_an_uninterrupted_one(
    module_environment, tmp_path
):
    results = tmp_path / "results.json"
    case = ["--case", "K1-threads1-commit2generations", "--kills", "2", "--json", str(results)]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/kill-loop"), *case],
        env=module_environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal bit for bit" in done.stdout
    (result,) = json.loads(results.read_text())
    assert set(result["hits"]) == {
        *("SIGKILL in commit", "SIGKILL in training", "SIGTERM in evaluation"),
        *("SIGUSR2 in true fitness", "SIGINT in commit"),
    }


def test_a_full_disk_is_told_and_the_search_goes_on_once_there_is_room(
    whole, small_disk, data, environment, start_python
):
    search = Search(small_disk, data, environment)
    process = search.start(start_python)
    wait_for_generation(process, 2)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    before = search.commits()
    assert before
    filler = small_disk / "filler"
    leave_free(small_disk, filler, 200_000)
    full = search.run()
    assert full.returncode == 1
    last = full.stderr.splitlines()[-1]
    assert last.startswith("error: cannot write")
    assert "No space left on device; the disk is full: make room" in last
    assert search.commits() == before
    filler.unlink()
    assert search.run().returncode == 0
    assert differences(whole, search, environment) == ""


def test_a_stopped_process_whose_run_was_taken_over_leaves_without_writing(
    whole, tmp_path, data, environment, start_python
):
    search = Search(tmp_path, data, environment)
    first = search.start(start_python)
    wait_for_generation(first, 1)
    first.send_signal(signal.SIGSTOP)
    refused = search.run()
    assert refused.returncode == 3
    assert f"process {first.pid}" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert search.run("--take-over").returncode == 0
    before = search.times()
    first.send_signal(signal.SIGCONT)
    _out, err = first.communicate()
    assert first.returncode == 3, err
    assert "was taken over" in err
    assert search.times() == before
    assert differences(whole, search, environment) == ""
