"""What runs on a node for the doctor: looks around and leaves a report where it was told to.

Started as `python -m emtnas_hpc.slurm.probe FOLDER look|listen`. The report appears by a
rename, so that whoever waits for it sees the whole of it.
"""

import fcntl
import json
import os
import platform
import shutil
import signal
import socket
import sys
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import emtnas_hpc
from emtnas_hpc.checkpoint.atomic import write_file

REPORT, HEARD, LETTER, LOCK = "report.json", "heard.jsonl", "letter", "lock"
PACKAGES = ("emtnas-hpc", "torch", "torchvision", "numpy", "h5py", "pydantic", "submitit")
_SIGNALS = ("SIGUSR1", "SIGUSR2", "SIGTERM", "SIGCONT", "SIGINT", "SIGHUP")
_LISTEN_S = 600.0


def main() -> None:
    """Runs on the node."""
    folder, what = Path(sys.argv[1]), sys.argv[2]
    if what == "listen":
        listen(folder)
    else:
        report = {**describe_python(), **look(folder), **_device()}
        write_file(folder / REPORT, json.dumps(report) + "\n", "probe")


def describe_python() -> dict[str, Any]:
    """The interpreter and the packages of this process."""
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "package": str(Path(emtnas_hpc.__file__).resolve().parent),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def look(folder: Path) -> dict[str, Any]:
    """The run directory and SLURM as they are seen from here."""
    letter = folder / LETTER
    return {
        "host": socket.gethostname(),
        "letter": letter.read_text() if letter.exists() else None,
        "replaced": _replaces(folder),
        "locked": _is_locked(folder / LOCK),
        "commands": {name: shutil.which(name) is not None for name in ("sbatch", "scontrol")},
        "queue": _asks_queue(),
    }


def listen(folder: Path) -> None:
    """Writes down every signal, with the seconds since the start, until it is killed."""
    began = time.monotonic()
    file = os.open(folder / HEARD, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)

    def hear(number: int, _frame: object = None) -> None:
        name = signal.Signals(number).name if number else "start"
        line = json.dumps({"signal": name, "seconds": round(time.monotonic() - began, 1)})
        os.write(file, line.encode() + b"\n")
        os.fsync(file)

    for name in _SIGNALS:
        signal.signal(signal.Signals[name], hear)
    hear(0)
    while time.monotonic() - began < _LISTEN_S:
        time.sleep(0.2)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _replaces(folder: Path) -> bool:
    """Whether a rename replaces a file, as every commit relies on."""
    try:
        for text in ("old", "new"):
            write_file(folder / "replaced", text, "probe")
        return (folder / "replaced").read_text() == "new"
    except Exception:  # noqa: BLE001 - whatever it is, it does not work
        return False


def _is_locked(path: Path) -> bool | None:
    """Whether a lock that the doctor holds is seen from here; None where there are no locks."""
    try:
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


def _asks_queue() -> str:
    """What SLURM objects to being asked from here; empty if nothing."""
    from emtnas_hpc.errors import SchedulerError
    from emtnas_hpc.slurm.queue import read_queue

    try:
        read_queue()
    except SchedulerError as error:
        return str(error)
    return ""


def _device() -> Mapping[str, Any]:
    """The device that a search would take here; imports torch."""
    try:
        from emtnas_hpc.search.device import choose_device, describe_conditions

        return {"conditions": describe_conditions(choose_device("auto"))}
    except Exception as error:  # noqa: BLE001 - a torch that cannot be imported is the finding
        return {"conditions": None, "torch_error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
