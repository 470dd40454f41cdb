"""Real processes that read real pictures."""

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from emtnas_hpc.data.images import PictureFile, draw_crops
from emtnas_hpc.data.picture_readers import read_batches
from emtnas_hpc.errors import DataError, EmtnasError

Batches = list[tuple[int, list[PictureFile]]]

#: Reads for ever, and tells the processes that read for it.
READING = """
import sys
from itertools import repeat
from pathlib import Path
from emtnas_hpc.data.images import PictureFile
from emtnas_hpc.data.picture_readers import read_batches
path = Path(sys.argv[1])
picture = PictureFile(str(path), path.stat().st_size, None)
for _mark, _images in read_batches(repeat((0, [picture] * 8)), 64, 2):
    print(Path("/proc/self/task", str(__import__("os").getpid()), "children").read_text())
    sys.stdout.flush()
"""


@pytest.fixture(scope="module")
def paths(
    make_pictures: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> list[Path]:
    folder = make_pictures(tmp_path_factory.mktemp("pictures"))
    return sorted(folder.glob("train/*/*"))


@pytest.fixture
def batches(paths: list[Path]) -> Batches:
    crops = draw_crops(np.random.default_rng(1), len(paths), flip=True)
    pictures = [
        PictureFile(str(path), path.stat().st_size, crop)
        for path, crop in zip(paths, crops, strict=True)
    ]
    return [(first, pictures[first : first + 7]) for first in range(0, len(pictures), 7)]


def children() -> list[int]:
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [int(pid) for task in tasks for pid in task.read_text().split()]
    # Other tests of this process may have children of their own.
    return [pid for pid in pids if b"picture_readers" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] not in "ZX"
    except FileNotFoundError:
        return False


def wait_until_gone(pids: list[int]) -> None:
    """They end by themselves, as soon as they notice; the test's own time limit is the bound."""
    while any(map(lives, pids)):
        time.sleep(0.01)


@pytest.mark.parametrize("n_readers", [1, 3])
def test_any_number_of_readers_gives_the_same_bytes_in_the_same_order(
    batches: Batches, n_readers: int
) -> None:
    alone = list(read_batches(batches, 16, 0))
    assert [mark for mark, _images in alone] == [mark for mark, _pictures in batches]
    assert [len(images) for _mark, images in alone] == [7 * 768] * 8 + [4 * 768]
    assert list(read_batches(batches, 16, n_readers)) == alone
    assert children() == []


def test_no_more_is_read_ahead_than_keeps_the_readers_busy(batches: Batches) -> None:
    taken = 0

    def counted() -> Iterator[tuple[int, list[PictureFile]]]:
        nonlocal taken
        for batch in batches * 5:
            taken += 1
            yield batch

    with closing(read_batches(counted(), 8, 2)) as images:
        for n_got in range(1, 10):
            next(images)
            assert taken <= n_got + 2 + 2


def test_readers_are_gone_when_the_iteration_is_closed(batches: Batches) -> None:
    images = read_batches(batches, 16, 2)
    next(images)
    readers = children()
    assert len(readers) == 2
    images.close()
    assert not any(map(lives, readers))


@pytest.mark.parametrize("n_readers", [0, 2])
def test_a_picture_that_cannot_be_read_is_named_and_no_reader_is_left(
    batches: Batches, n_readers: int, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.JPEG"
    broken.write_bytes(b"noise")
    batches[3][1][2] = PictureFile(str(broken), 5, None)
    images = read_batches(batches, 16, n_readers)
    with pytest.raises(DataError, match=r"broken\.JPEG cannot be read as a picture"):
        list(images)
    assert children() == []


def test_what_asks_the_parent_to_stop_leaves_the_readers_at_work(batches: Batches) -> None:
    with closing(read_batches(batches * 3, 16, 2)) as images:
        next(images)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
            for reader in children():
                os.kill(reader, number)
        assert len(list(images)) == 3 * len(batches) - 1


def test_a_reader_that_is_killed_is_told_with_the_signal(batches: Batches) -> None:
    images = read_batches(batches * 9, 16, 1)
    next(images)
    os.kill(children()[0], signal.SIGKILL)
    with pytest.raises(EmtnasError, match=r"ended \(SIGKILL\) at .*JPEG or .*; if memory"):
        list(images)
    assert children() == []


def test_memory_is_blamed_for_nothing_but_the_signal_that_it_is_killed_by(batches: Batches) -> None:
    images = read_batches(batches * 9, 16, 1)
    next(images)
    os.kill(children()[0], signal.SIGBUS)
    with pytest.raises(EmtnasError, match=r"ended \(SIGBUS\) at .*; what it said") as caught:
        list(images)
    assert "memory" not in str(caught.value)


def test_modules_of_the_current_directory_are_none_of_the_readers(
    batches: Batches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    assert len(list(read_batches(batches, 16, 1))) == len(batches)


def test_readers_that_the_system_refuses_are_told_and_none_is_left(
    batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, started = subprocess.Popen, []

    def refuse_the_second(*arguments: object, **named: object) -> object:
        if started:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        started.append(real(*arguments, **named))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", refuse_the_second)
    with pytest.raises(EmtnasError, match=r"cannot be started \(Resource temporarily unavailable"):
        list(read_batches(batches, 16, 2))
    assert not lives(started[0].pid)


def test_no_reader_outlives_a_parent_that_is_killed(
    paths: list[Path], start_python: Callable[..., "object"]
) -> None:
    parent = start_python("-c", READING, paths[0])
    readers = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(readers) == 2
    parent.kill()
    parent.wait()
    wait_until_gone(readers)
    assert parent.stderr.read() == ""
