"""Ctrl-C, again."""

import signal
import subprocess
from typing import Protocol


class Process(Protocol):
    """What is started by subprocess, or warm."""

    def send_signal(self, number: int, /) -> None: ...

    def wait(self, timeout: float | None = None) -> int: ...


def interrupt_until_it_leaves(process: Process) -> None:
    """Sends SIGINT, and again only if one got lost: where a machine is so busy that a process has
    not heard the one before, two of them are one."""
    while True:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            continue
        return
