"""Faults under a retraining whose pictures other processes read, as a user would meet them."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SETTINGS = (
    "task.imagenet.image_size=64",
    "retraining.channels=2",
    "retraining.epochs=2",
    "retraining.batch_size=8",
    "retraining.part_batches=3",
    "retraining.drop_path=0.2",
    "retraining.cutout=9",
    "run.commit_interval_s=0",
    # A signal abandons the step that is under way, inside an epoch.
    "run.grace_s=0",
)
#: Two epochs of 60 pictures, in parts of 24.
N_STEPS = 6
#: To whom the signal goes: the process, or as a terminal does it, all of its group.
SIGNALS = (
    *(("kill -9", signal.SIGKILL, os.kill), ("preempted", signal.SIGUSR2, os.kill)),
    *(("asked", signal.SIGTERM, os.killpg), ("Ctrl-C", signal.SIGINT, os.killpg)),
)


class Retraining:
    """One folder, and the command that retrains in it."""

    def __init__(self, folder, data, warm, n_workers, *more):
        sets = [*SETTINGS, f"retraining.data_workers={n_workers}", *more]
        what = ["--random", "1", "--on", "imagenet", "--recipe", "imagenet", "--normal-cells", "1"]
        where = ["--name", "tiny", "--runs", str(folder), "--data", str(data), "--device", "cpu"]
        options = [*what, *where, *(word for text in sets for word in ("--set", text))]
        self.command = ["retrain", *options]
        self.directory = Path(folder) / "tiny/seed-0"
        self.warm = warm

    def run(self):
        return emtnas(self.warm, *self.command)

    def start(self):
        return self.warm.start(
            *self.command,
            env=dict(os.environ),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def steps(self):
        return sorted(int(path.name) for path in self.directory.glob("retraining/*/0*"))


def emtnas(warm, *arguments):
    return warm.run(*arguments, env=dict(os.environ))


def readers_of(pid):
    try:
        tasks = list(Path(f"/proc/{pid}/task").glob("*/children"))
        children = [int(child) for task in tasks for child in task.read_text().split()]
        return [c for c in children if b"reader" in Path(f"/proc/{c}/cmdline").read_bytes()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_for_readers(process):
    """Until pictures are read for it; empty if it ends before."""
    while process.poll() is None:
        if readers := readers_of(process.pid):
            return readers
        time.sleep(0.002)
    return []


def wait_for_a_step(process):
    for line in process.stderr:
        if ": step " in line:
            return


def is_cut(retraining, number, send, moment_s):
    """Starts it and sends a signal after its first step; whether there is work left."""
    with retraining.start() as process:
        # What it has committed is gone on from.
        wait_for_a_step(process)
        readers = wait_for_readers(process)
        time.sleep(moment_s)
        send(process.pid, number)
        _out, err = process.communicate()
    assert process.returncode in (0, 4, -signal.SIGKILL), err
    while any(map(lives, readers)):
        time.sleep(0.01)
    return process.returncode != 0


@pytest.fixture(scope="module")
def data(tmp_path_factory, make_pictures):
    folder = tmp_path_factory.mktemp("data")
    make_pictures(folder / "imagenet", n_classes=6, n_train=10)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data, warm):
    retraining = Retraining(tmp_path_factory.mktemp("whole"), data, warm, 0)
    done = retraining.run()
    assert done.returncode == 0, done.stderr
    assert retraining.steps()[-1] == N_STEPS
    return retraining


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "number", "send"), SIGNALS, ids=[s[0] for s in SIGNALS])
def test_cut_inside_its_epochs_it_ends_in_the_bits_of_an_uninterrupted_one(
    whole, data, tmp_path, warm, name, number, send
):
    retraining = Retraining(tmp_path, data, warm, 2)
    moments = random.Random(name)
    while not is_cut(retraining, number, send, moments.uniform(0, 0.1)):
        # It was done before the signal came.
        shutil.rmtree(retraining.directory)
    assert retraining.steps()[-1] < N_STEPS
    done = retraining.run()
    assert done.returncode == 0, done.stderr
    compared = emtnas(warm, "verify", whole.directory, retraining.directory)
    assert compared.returncode == 0, compared.stdout
    assert f"equal bit for bit at step {N_STEPS}" in compared.stdout


def test_status_report_and_inspect_read_such_a_run(whole, warm):
    runs = whole.directory.parents[1]
    status = emtnas(warm, "status", "--runs", runs)
    report = emtnas(warm, "report", "--runs", runs)
    inspect = emtnas(warm, "inspect", whole.directory)
    for done, said in ((status, "2/2"), (report, "Top-5"), (inspect, "imagenet-n1-imagenet")):
        assert done.returncode == 0, done.stderr
        assert said in done.stdout


def test_a_broken_picture_ends_it_in_one_line_that_names_the_file(tmp_path, warm, make_pictures):
    make_pictures(tmp_path / "imagenet")
    assert (
        emtnas(
            *(warm, "prepare", "--set", 'tasks=["imagenet"]', "--data", tmp_path),
            *("--set", "task.imagenet.image_size=64"),
        ).returncode
        == 0
    )
    broken = tmp_path / "imagenet/train/n0001/13.JPEG"
    content = broken.read_bytes()
    broken.write_bytes(content[:300] + bytes(len(content) - 300))
    retraining = Retraining(tmp_path, tmp_path, warm, 2)
    done = retraining.run()
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: {broken} cannot be read as a picture (")
    assert "put the picture back as it was, and the same command goes on" in last
    broken.write_bytes(content)
    assert retraining.run().returncode == 0


def test_a_search_on_streamed_pictures_is_refused_and_nothing_is_made(data, tmp_path, warm):
    refused = emtnas(
        *(warm, "run", "cifar", "--set", 'tasks=["imagenet"]'),
        *("--runs", tmp_path, "--data", data),
    )
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert "is for retraining only" in line
    assert list(tmp_path.iterdir()) == []
