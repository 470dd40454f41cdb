"""Seeds side by side, a process each; one that fails does not stop the others."""

import logging
import signal
import subprocess
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from emtnas_hpc.cli import console
from emtnas_hpc.cli.console import describe_failure
from emtnas_hpc.cli.events import Listener, SeedEvent, Who, of_experiment
from emtnas_hpc.errors import StartOverError
from emtnas_hpc.runner.signals import StopRequest

log = logging.getLogger(__name__)

_POLL_S = 0.2


def run_in_children(
    commands: Mapping[Who, Sequence[str]], parallel: int, listener: Listener
) -> int:
    """Runs the command of every seed, so many at a time; each prints events, one a line.

    Returns:
        0 if all are done; else the exit code of the first that failed; else that of stopped ones.
    """
    family = _Family(listener)
    with StopRequest() as stop, stop.deferred(), ThreadPoolExecutor(parallel) as pool:
        futures = [pool.submit(family.run, who, command) for who, command in commands.items()]
        try:
            _wait(futures, stop, family)
        except KeyboardInterrupt:
            family.stop(signal.SIGKILL)
            raise
    return console.combine([future.result() for future in futures])


def _wait(futures: Sequence["Future[int]"], stop: StopRequest, family: "_Family") -> None:
    passed_on = False
    pending = set(futures)
    while pending:
        _done, pending = wait(pending, timeout=_POLL_S, return_when=FIRST_COMPLETED)
        if stop.signal and not passed_on:
            family.stop(signal.Signals[stop.signal])
            passed_on = True


class _Family:
    """The children that are running."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._lock = threading.Lock()
        self._children: list[subprocess.Popen[str]] = []
        self._stopped = False

    def run(self, who: Who, command: Sequence[str]) -> int:
        """Starts a child, passes its events on, and returns its exit code."""
        with self._lock:
            if self._stopped:
                return console.STOPPED
            # A session of its own: Ctrl-C reaches the children through us only, and once.
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            self._children.append(child)
        with child:
            assert child.stdout is not None
            for line in child.stdout:
                self._pass_on(who, line.rstrip("\n"))
        if child.returncode < 0:
            name = signal.Signals(-child.returncode).name
            self._pass_on(who, f"ended by {name}; the same command goes on")
            # A signal that we passed on may reach a child before it listens.
            return console.STOPPED if self._stopped else console.FAILED
        return child.returncode

    def stop(self, number: signal.Signals) -> None:
        """Sends a signal to all children, and starts no more."""
        with self._lock:
            self._stopped = True
            for child in self._children:
                child.send_signal(number)

    def _pass_on(self, who: Who, line: str) -> None:
        try:
            event = SeedEvent.from_json(line)
        except (ValueError, TypeError):
            event = SeedEvent(who.seed, "message", text=line)
        with self._lock:
            of_experiment(who.experiment, self._listener)(event)


def run_or_log(run: Callable[[], int], *, about: Path | None = None, debug: bool) -> int:
    """Runs what may fail; a failure is one line in the log, and the other runs go on.

    Args:
        run: gives the exit code.
        about: the run that the line is about, where that is not clear.
        debug: whether to print the traceback too.

    Returns:
        The exit code.

    Raises:
        StartOverError: this process can continue no run any more.
    """
    try:
        return run()
    except StartOverError:
        raise
    except Exception as error:  # noqa: BLE001 - as a process of its own would do
        if debug:
            traceback.print_exc()
        line, code = describe_failure(error)
        where = "" if about is None or str(about) in line else f"{about}: "
        log.error(f"error: {where}{line}")
        return code
