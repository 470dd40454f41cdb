"""Seeds side by side: a process each, their events on one display, signals passed on to all."""

import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from emtnas_hpc.cli import exit_codes
from emtnas_hpc.cli.events import Event, Listener, Who, of_experiment
from emtnas_hpc.runner.interruption import StopRequest

_POLL_S = 0.2


def run_in_children(
    commands: Mapping[Who, Sequence[str]], parallel: int, listener: Listener
) -> int:
    """Runs the command of every seed, so many at a time.

    Args:
        commands: for every seed; each prints events, one a line.
        parallel: at a time.
        listener: hears the events of all, one at a time.

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
    return exit_codes.combine([future.result() for future in futures])


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
                return exit_codes.STOPPED
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
            return exit_codes.STOPPED if self._stopped else exit_codes.FAILED
        return child.returncode

    def stop(self, number: signal.Signals) -> None:
        """Sends a signal to all children, and starts no more."""
        with self._lock:
            self._stopped = True
            for child in self._children:
                child.send_signal(number)

    def _pass_on(self, who: Who, line: str) -> None:
        try:
            event = Event.from_json(line)
        except (ValueError, TypeError):
            event = Event(who.seed, "message", text=line)
        with self._lock:
            of_experiment(who.experiment, self._listener)(event)
