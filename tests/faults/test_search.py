"""Faults under a real search, as a user would meet them on the command line."""

import json
import os
import signal
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SETTINGS = (
    # Enough for a search to be under way whenever a test gets round to a signal.
    "search.generations=10",
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
def data(shared_data):
    return shared_data


class Search:
    """One run directory and the command that searches in it."""

    def __init__(self, runs, data, warm):
        sets = [word for setting in SETTINGS for word in ("--set", setting)]
        where = ["--name", "tiny", "--runs", str(runs), "--data", str(data)]
        self.command = ["run", "quickstart", *sets, *where]
        self.directory = Path(runs) / "tiny/seed-0"
        self.warm = warm

    def run(self, *options):
        return self.warm.run(*self.command, *options, env=dict(os.environ))

    def start(self, start_emtnas):
        """A process that searches and tells its events."""
        return start_emtnas(*self.command, "--events")

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


def differences(a, b):
    done = a.warm.run("verify", a.directory, b.directory, env=dict(os.environ))
    return done.stdout if done.returncode else ""


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data, warm):
    search = Search(tmp_path_factory.mktemp("whole"), data, warm)
    assert search.run().returncode == 0
    return search


@pytest.mark.parametrize(
    "strategy",
    [
        (),
        ("search.strategy=random", "search.reevaluate=false"),
        ("search.clones=fittest", "search.wheel=raw_fitness", "search.mutation=other"),
    ],
    ids=["evolution", "random", "what the paper leaves open, chosen otherwise"],
)
def test_a_search_interrupted_in_every_phase_ends_in_the_bits_of_an_uninterrupted_one(
    kill_loop, strategy
):
    case = ("--case", "K1-threads1-commit2generations", "--kills", "2")
    settings = ("search.population=3", "training.batches=2", *strategy)
    result = kill_loop(*case, settings=settings)
    assert set(result["hits"]) == {
        *("SIGKILL in commit", "SIGKILL in training", "SIGTERM in evaluation"),
        *("SIGUSR2 in true fitness", "SIGINT in commit"),
    }


def test_a_full_disk_is_told_and_the_search_goes_on_once_there_is_room(
    whole, small_disk, data, warm, start_emtnas
):
    search = Search(small_disk, data, warm)
    process = search.start(start_emtnas)
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
    assert differences(whole, search) == ""


def test_a_stopped_process_whose_run_was_taken_over_leaves_without_writing(
    whole, tmp_path, data, warm, start_emtnas
):
    search = Search(tmp_path, data, warm)
    first = search.start(start_emtnas)
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
    assert differences(whole, search) == ""
