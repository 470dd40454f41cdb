"""Processes that read pictures side by side; their number changes no bit.

Each is `python -m emtnas_hpc.data.picture_readers`, and ends when its input does, so that none
outlives the process that started it. A request is a line of JSON; the answer is a line with the
number of bytes of images that follow it, or with what is wrong.
"""

import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TypeVar

from emtnas_hpc.data.images import Crop, PictureFile
from emtnas_hpc.data.pictures import decode
from emtnas_hpc.errors import DataError, EmtnasError

T = TypeVar("T")

#: SLURM and the kernel send it where memory is short.
_ADVICE = {"SIGKILL": "if memory is short, give retraining.data_workers less"}

#: The folder that the package lies in.
_ROOT = Path(__file__).parents[2]

#: Mini-batches that are ready or being read, beside one for each reader.
_AHEAD = 2

#: Signals that stop the process that they read for; it ends the readers itself.
_NOT_HEARD = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2})


def read_batches(
    batches: Iterable[tuple[T, Sequence[PictureFile]]], size: int, n_readers: int
) -> Generator[tuple[T, bytes], None, None]:
    """Reads the images of mini-batches in their order; closing it ends the readers early.

    `batches` are taken one by one, and only so far ahead that the readers stay busy.

    Args:
        batches: of every mini-batch a mark, which is handed back with its images, and its pictures.
        size: edge of the images.
        n_readers: processes; 0 reads in this one.

    Raises:
        DataError: a picture cannot be read; it is named.
        EmtnasError: a reader was killed.
    """
    if not n_readers:
        for mark, pictures in batches:
            yield mark, b"".join(decode(picture, size) for picture in pictures)
        return
    with closing(_Readers(n_readers, size)) as readers:
        ahead: deque[tuple[T, Future[bytes]]] = deque()
        for mark, pictures in batches:
            ahead.append((mark, readers.ask(pictures)))
            if len(ahead) >= n_readers + _AHEAD:
                mark, images = ahead.popleft()
                yield mark, images.result()
        while ahead:
            mark, images = ahead.popleft()
            yield mark, images.result()


class _Readers:
    """Processes that read pictures, each with a thread that talks to it."""

    def __init__(self, n: int, size: int) -> None:
        self._size = size
        self._processes: list[subprocess.Popen[bytes]] = []
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        self._threads = ThreadPoolExecutor(n, thread_name_prefix="pictures")
        try:
            for _ in range(n):
                process = _start()
                self._processes.append(process)
                self._idle.put(process)
        except OSError as error:
            self.close()
            raise EmtnasError(
                f"a process that reads pictures cannot be started ({error.strerror}); give "
                "retraining.data_workers less"
            ) from None

    def close(self) -> None:
        """Ends the processes, even in the middle of a picture, and then their threads."""
        # Killed first: a thread that waits for its answer would wait on.
        for process in self._processes:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.communicate()

    def ask(self, batch: Sequence[PictureFile]) -> "Future[bytes]":
        """The images of a mini-batch, as soon as a reader has read them."""
        return self._threads.submit(self._read, batch)

    def _read(self, batch: Sequence[PictureFile]) -> bytes:
        # The order of a crop's fields is that of the arguments that the reader makes it of.
        listed = [
            (each.path, each.n_bytes, None if each.crop is None else [*vars(each.crop).values()])
            for each in batch
        ]
        process = self._idle.get()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps([self._size, listed]).encode() + b"\n")
            process.stdin.flush()
            return _read_answer(process.stdout)
        except (EOFError, BrokenPipeError):
            code = process.wait()
            end = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise EmtnasError(
                f"a process that reads pictures ended ({end}) at {batch[0].path} or one of those "
                f"behind it; {_ADVICE.get(end, 'what it said, if anything, is above')}"
            ) from None
        finally:
            self._idle.put(process)


def _start() -> "subprocess.Popen[bytes]":
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    # Blocked signals are inherited: the reader never gets them.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_HEARD)
    try:
        return subprocess.Popen(
            # With -P no file of the current directory is taken for a module.
            [sys.executable, "-P", "-m", "emtnas_hpc.data.picture_readers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _read_answer(source: IO[bytes]) -> bytes:
    """The images of a request, one after the other.

    Raises:
        DataError: a picture could not be read; the first is named.
        EOFError: the reader is gone.
    """
    line = source.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    head = json.loads(line)
    if "problem" in head:
        raise DataError(head["problem"])
    images = source.read(head["n_bytes"])
    if len(images) < head["n_bytes"]:
        raise EOFError
    return images


def _answer(line: bytes, out: IO[bytes]) -> None:
    size, listed = json.loads(line)
    try:
        images = [
            decode(PictureFile(path, n_bytes, None if crop is None else Crop(*crop)), size)
            for path, n_bytes, crop in listed
        ]
    except DataError as error:
        out.write(json.dumps({"problem": str(error)}).encode() + b"\n")
    else:
        out.write(json.dumps({"n_bytes": sum(map(len, images))}).encode() + b"\n")
        out.writelines(images)
    out.flush()


def main() -> None:
    """Answers requests until there are no more."""
    # The process that asked may be gone.
    with suppress(BrokenPipeError), os.fdopen(os.dup(1), "wb") as out:
        # What a library prints must not come between the images.
        os.dup2(2, 1)
        for line in sys.stdin.buffer:
            _answer(line, out)


if __name__ == "__main__":
    main()
