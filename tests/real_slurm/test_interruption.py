"""Ctrl-C that reaches tools/local-slurm while it starts a program; none of it needs SLURM."""

import subprocess
import sys
from pathlib import Path

import pytest
from keeper import TOOL

#: Popen returns only when the program has begun; the signal comes just before that.
_INTERRUPTED = """
import signal, subprocess, sys
sys.path.insert(0, {tools!r})
from local_slurm.daemons import Programs
from local_slurm.process import recorded, start

class Interrupted(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        print(self.pid, flush=True)
        signal.raise_signal(signal.{number})

subprocess.Popen = Interrupted
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
"""
_CLIENT = "Programs({'PATH': '/usr/bin:/bin'}).run('sh', '-c', 'sleep 60; true')"
_DAEMON = """
from pathlib import Path
record = Path({record!r})
try:
    start(("sleep", "60"), record, Path({log!r}), {{"PATH": "/usr/bin:/bin"}})
finally:
    recorded(record).send(signal.SIGKILL)
"""


def interrupted(number: str, what: str) -> "subprocess.CompletedProcess[str]":
    code = _INTERRUPTED.format(tools=str(TOOL.parent), number=number) + what
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "gone"


@pytest.mark.parametrize(("number", "code"), [("SIGINT", -2), ("SIGTERM", 143)])
def test_a_program_that_has_just_been_started_is_ended(number: str, code: int) -> None:
    done = interrupted(number, _CLIENT)
    assert done.returncode == code, done.stderr
    assert state(int(done.stdout)) in ("gone", "Z")


def test_a_daemon_that_has_just_been_started_is_on_record(tmp_path: Path) -> None:
    names = {"record": str(tmp_path / "record"), "log": str(tmp_path / "log")}
    done = interrupted("SIGINT", _DAEMON.format(**names))
    assert done.returncode == -2, done.stderr
    assert state(int(done.stdout)) in ("gone", "Z")
