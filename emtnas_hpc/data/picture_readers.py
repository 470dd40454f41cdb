"""Processes that read pictures side by side; how many there are changes no bit.

Each is `python -m emtnas_hpc.data.picture_readers`, and ends when its input does, so that none
outlives the process that started it. A request is a line of JSON. The answer is a line that says
how many bytes of images follow, or what is wrong.
"""

import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TypeVar

from emtnas_hpc.data.images import Crop, PictureFile
from emtnas_hpc.data.pictures import decode
from emtnas_hpc.errors import DataError, EmtnasError

T = TypeVar("T")

#: SLURM and the kernel kill so where memory is short.
_ADVICE = {"SIGKILL": "if memory is short, give retraining.data_workers less"}

_PACKAGE = Path(__file__).parents[1]

#: Mini-batches that lie ready, or are being read, beside one for each reader.
_AHEAD = 2

#: What asks the process that they read for to stop is none of the readers' business.
_NOT_HEARD = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2})


def read_batches(
    batches: Iterable[tuple[T, Sequence[PictureFile]]], size: int, n_readers: int
) -> Generator[tuple[T, bytes], None, None]:
    """Images of mini-batches, in their order; close it to end the readers early.

    So much is read ahead that the readers stay busy, and no more.

    Args:
        batches: of every mini-batch whatever its images are to be handed back with, and its
            pictures; taken one by one.
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
                yield _first_of(ahead)
        while ahead:
            yield _first_of(ahead)


def _first_of(ahead: "deque[tuple[T, Future[bytes]]]") -> tuple[T, bytes]:
    mark, images = ahead.popleft()
    return mark, images.result()


class _Readers:
    """So many processes, each with a thread that talks to it."""

    def __init__(self, n: int, size: int) -> None:
        self._size = size
        self._processes: list[subprocess.Popen[bytes]] = []
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        self._threads = ThreadPoolExecutor(n, thread_name_prefix="pictures")
        for _ in range(n):
            self._add()

    def _add(self) -> None:
        try:
            process = _start()
        except OSError as error:
            self.close()
            raise EmtnasError(
                f"a process that reads pictures cannot be started ({error.strerror}); give "
                "retraining.data_workers less"
            ) from None
        self._processes.append(process)
        self._idle.put(process)

    def close(self) -> None:
        """Ends the processes, whatever they are at; then the threads hear no more."""
        for process in self._processes:
            process.kill()
        self._threads.shutdown(cancel_futures=True)
        for process in self._processes:
            process.communicate()

    def ask(self, batch: Sequence[PictureFile]) -> "Future[bytes]":
        """The images of a mini-batch, as soon as a reader has read them."""
        return self._threads.submit(self._read, batch)

    def _read(self, batch: Sequence[PictureFile]) -> bytes:
        process = self._idle.get()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(_request(batch, self._size))
            process.stdin.flush()
            return _read_answer(process.stdout)
        except (EOFError, BrokenPipeError):
            end = _end_of(process)
            raise EmtnasError(
                f"a process that reads pictures ended ({end}) at {batch[0].path} or one of those "
                f"behind it; {_ADVICE.get(end, 'what it said, if anything, is above')}"
            ) from None
        finally:
            self._idle.put(process)


def _start() -> "subprocess.Popen[bytes]":
    root = str(_PACKAGE.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    # What lies in the current directory is none of a reader's modules.
    with _blocked():
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "emtnas_hpc.data.picture_readers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )


@contextmanager
def _blocked() -> Iterator[None]:
    """A process that is started within never hears the signals: it inherits that they wait."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _NOT_HEARD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_of(process: "subprocess.Popen[bytes]") -> str:
    code = process.wait()
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _request(pictures: Sequence[PictureFile], size: int) -> bytes:
    listed = [
        (each.path, each.n_bytes, None if each.crop is None else [*vars(each.crop).values()])
        for each in pictures
    ]
    return json.dumps([size, listed]).encode() + b"\n"


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


def _read_answer(source: IO[bytes]) -> bytes:
    """The images of a request, one after the other.

    Raises:
        DataError: of the first picture that could not be read.
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


def main() -> None:
    """Answers requests until there are no more."""
    # The process that asked may be gone.
    with suppress(BrokenPipeError), os.fdopen(os.dup(1), "wb") as out:
        # Whatever a library prints must not come between the images.
        os.dup2(2, 1)
        for line in sys.stdin.buffer:
            _answer(line, out)


if __name__ == "__main__":
    main()
