"""Processes that start in milliseconds: forks of one that has imported what takes seconds.

Each is a process of its own in all that tests do to it: it has its own files, environment and
folder, and is signalled, stopped and killed. What a fork cannot prove, that
`python -m emtnas_hpc` starts from nothing, is left to tests that start Python itself.
"""

import atexit
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, NoReturn

#: What looks at runs; none of it imports torch.
LIGHT = ("emtnas_hpc.cli.app", "emtnas_hpc.pipeline", "emtnas_hpc.report", "h5py")
#: What computes.
HEAVY = (*LIGHT, "torch", "emtnas_hpc.search.trainer", "emtnas_hpc.retraining.trainer")
#: Of `python -m MODULE ...` it makes a child of the process that is forked; else it is Python.
PYTHON = """\
#!{python} -SEs
import json, os, signal, socket, sys
words = sys.argv[1:]
while words and words[0] in ("-P", "-u"):
    del words[0]
if words[:1] != ["-m"]:
    os.execv("{python}", ["{python}", *sys.argv[1:]])
status, told = os.pipe()
order = dict(words=words[2:], module=words[1], env=dict(os.environ), folder=os.getcwd())
text = json.dumps(dict(order, executable=os.path.abspath(__file__))).encode()
asks = socket.socket(socket.AF_UNIX)
asks.connect("{door}")
socket.send_fds(asks, [len(text).to_bytes(4, "big")], [1, 2, told])
asks.sendall(text)
os.close(told)
read = lambda: int.from_bytes(os.read(status, 4), "big", signed=True)
child = read()
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
    signal.signal(number, lambda number, _frame: os.kill(child, number))
code = read()
if code < 0:
    signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
sys.exit(code)
"""
#: How often the parent looks whether a child has ended, in seconds.
_LOOK_S = 0.005


class WarmProcess:
    """What subprocess.Popen is to a process that it started."""

    def __init__(
        self, words: list[str], status: int, out: IO[str] | None, err: IO[str] | None
    ) -> None:
        self.args = words
        self.pid = _number(status)
        self.returncode: int | None = None
        self.stdout = out
        self.stderr = err
        self._status = status

    def poll(self) -> int | None:
        """The exit code, or None while it lives."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)
            self.returncode = _number(self._status)
            os.close(self._status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Sends a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it at once."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Waits for its end; returns what it has printed since it was last read."""
        with ThreadPoolExecutor(2) as threads:
            out, err = (threads.submit(_rest, stream) for stream in (self.stdout, self.stderr))
            self.wait(timeout)
            return out.result(), err.result()

    def __enter__(self) -> "WarmProcess":
        return self

    def __exit__(self, *_: object) -> None:
        for stream in filter(None, (self.stdout, self.stderr)):
            stream.close()
        self.wait()


def _number(pipe: int) -> int:
    """The next one that the process that is forked tells of a child."""
    told = os.read(pipe, 4)
    assert len(told) == 4, "the process that is forked has ended"
    return int.from_bytes(told, "big", signed=True)


def _tell(pipe: int, number: int) -> None:
    os.write(pipe, number.to_bytes(4, "big", signed=True))


def _rest(stream: IO[str] | None) -> str:
    if stream is None or stream.closed:
        return ""
    with stream:
        return stream.read()


@dataclass(frozen=True)
class Order:
    """What a child is to be."""

    words: list[str]
    env: dict[str, str]
    folder: str
    code: str = ""
    module: str = "emtnas_hpc"
    executable: str = sys.executable
    own_session: bool = False

    def become(self, out: int, err: int) -> None:
        """Makes this process, which was forked, what was ordered."""
        os.dup2(out, 1)
        os.dup2(err, 2)
        if self.own_session:
            os.setsid()
        os.chdir(self.folder)
        os.environ.clear()
        os.environ.update(self.env)
        sys.executable = self.executable
        sys.argv = ["-c" if self.code else self.module, *self.words]
        sys.orig_argv = [sys.executable, "-m", self.module, *self.words]

    def run(self) -> None:
        """Does it."""
        if self.code:
            exec(self.code, {"__name__": "__main__"})
        else:
            runpy.run_module(self.module, run_name="__main__", alter_sys=True)


def _end_at_once(order: Order) -> NoReturn:
    """Ends as Python ends, but without taking apart all objects of torch: half a second of work."""
    code: object = 0
    try:
        order.run()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001 - as Python ends with a traceback
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code if isinstance(code, int) else 1)


class Warm:
    """The process that is forked; these modules are imported once, before anything is asked for."""

    def __init__(self, modules: Sequence[str] = HEAVY) -> None:
        self._unnamed: list[WarmProcess] = []
        self._folder = tempfile.TemporaryDirectory(prefix="warm-")
        self._socket, theirs = socket.socketpair()
        door = socket.socket(socket.AF_UNIX)
        door.bind(self._door)
        door.listen()
        root = str(Path(importlib.import_module("emtnas_hpc").__file__ or "").parents[1])
        with theirs, door:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), str(door.fileno()), *modules],
                env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
                pass_fds=[theirs.fileno(), door.fileno()],
                stdin=subprocess.DEVNULL,
            )

    @property
    def _door(self) -> str:
        """Address at which processes that are not ours ask."""
        return f"{self._folder.name}/door"

    @cached_property
    def python(self) -> str:
        """A Python that starts modules warm; a program of its own waits for each, and passes on
        the signals that ask it to end."""
        program = Path(self._folder.name) / "python"
        program.write_text(PYTHON.format(python=sys.executable, door=self._door))
        program.chmod(0o755)
        return str(program)

    def start(
        self,
        *arguments: object,
        env: dict[str, str],
        code: str = "",
        stdout: int | IO[str] = subprocess.PIPE,
        stderr: int | IO[str] = subprocess.PIPE,
        start_new_session: bool = False,
    ) -> WarmProcess:
        """Starts a command of ours, as `python -m emtnas_hpc` does, in the current directory.

        With code that instead, as `python -c` does.
        """
        words = [str(argument) for argument in arguments]
        order = Order(words, env, str(Path.cwd()), code, own_session=start_new_session)
        text = json.dumps(asdict(order)).encode()
        out, theirs_out = _stream(stdout)
        together = stderr == subprocess.STDOUT
        err, theirs_err = (None, os.dup(theirs_out)) if together else _stream(stderr)
        status, theirs_status = os.pipe()
        given = [theirs_out, theirs_err, theirs_status]
        socket.send_fds(self._socket, [len(text).to_bytes(4, "big")], given)
        self._socket.sendall(text)
        for fd in given:
            os.close(fd)
        return WarmProcess(words, status, out, err)

    def run(self, *arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
        """Runs a command of ours to its end."""
        with self.start(*arguments, **options) as process:
            out, err = process.communicate()
        return subprocess.CompletedProcess(process.args, process.wait(), out, err)

    def as_subprocess(self) -> SimpleNamespace:
        """What a tool that starts Python with `-m emtnas_hpc` calls in the place of subprocess."""

        def start(command: list[str], *, text: bool, **options: Any) -> WarmProcess:
            assert (command[:3], text) == ([sys.executable, "-m", "emtnas_hpc"], True)
            process = self.start(*command[3:], env=dict(os.environ), **options)
            self._unnamed.append(process)
            return process

        def run(command: list[str], *, text: bool, capture_output: bool) -> object:
            with start(command, text=text) as process:
                out, err = process.communicate()
            assert capture_output
            return subprocess.CompletedProcess(command, process.wait(), out, err)

        return SimpleNamespace(Popen=start, run=run, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT)

    def clear_up(self) -> None:
        """Closes the pipes of what a tool has started and forgotten."""
        for process in self._unnamed:
            process.kill()
            process.communicate()
        self._unnamed.clear()

    def close(self) -> None:
        """Ends it; its children have ended."""
        self._socket.close()
        self._process.wait()
        self._folder.cleanup()


def _stream(wanted: int | IO[str]) -> tuple[IO[str] | None, int]:
    """Our end of a pipe, if one is wanted, and the descriptor that the child gets."""
    if wanted == subprocess.PIPE:
        ours, theirs = os.pipe()
        return os.fdopen(ours, encoding="utf-8", errors="surrogateescape"), theirs
    if wanted == subprocess.DEVNULL:
        return None, os.open(os.devnull, os.O_WRONLY)
    assert not isinstance(wanted, int)
    return None, os.dup(wanted.fileno())


def _serve(orders: socket.socket, door: socket.socket) -> Order:
    """Forks for every order, and leaves when nobody asks any more; returns in the child only."""
    children: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([orders, door], [], [], _LOOK_S if children else None)
        while children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            told = children.pop(pid)
            with suppress(BrokenPipeError):
                _tell(told, os.waitstatus_to_exitcode(status))
            os.close(told)
        if door in ready:
            stranger, _ = door.accept()
            with stranger:
                order = _fork(stranger, children)
        elif orders in ready:
            order = _fork(orders, children)
        else:
            continue
        if order is not None:
            orders.close()
            door.close()
            return order


def _fork(orders: socket.socket, children: dict[int, int]) -> Order | None:
    """Forks for the next order, which only the child returns."""
    head, given, _flags, _address = socket.recv_fds(orders, 4, 3)
    if not head:
        sys.exit()
    text = orders.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
    out, err, told = given
    pid = os.fork()
    if not pid:
        order = Order(**json.loads(text))
        order.become(out, err)
        for fd in (*given, *children.values()):
            os.close(fd)
        return order
    os.close(out)
    os.close(err)
    _tell(told, pid)
    children[pid] = told
    return None


if __name__ == "__main__":
    # Where this file lies there are modules of tests only.
    del sys.path[0]
    for name in sys.argv[3:]:
        importlib.import_module(name)
    order = _serve(*(socket.socket(fileno=int(fd)) for fd in sys.argv[1:3]))
    if "torch" in sys.modules:
        _end_at_once(order)
    order.run()
