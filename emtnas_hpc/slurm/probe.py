"""What runs on a node for the doctor: looks around and leaves a report where it was told to.

Started as `python -m emtnas_hpc.slurm.probe FOLDER`. The report appears by a rename, so that the
doctor, which waits for it, never sees a part of it.
"""

import fcntl
import json
import platform
import shutil
import socket
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import emtnas_hpc
from emtnas_hpc.checkpoint.atomic import write_file

REPORT, NONCE, LOCK = "report.json", "nonce", "lock"
PACKAGES = ("emtnas-hpc", "torch", "torchvision", "numpy", "h5py", "pydantic", "submitit")


def main() -> None:
    """Runs on the node."""
    folder = Path(sys.argv[1])
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
    nonce = folder / NONCE
    return {
        "host": socket.gethostname(),
        "nonce": nonce.read_text() if nonce.exists() else None,
        "replaced": _replaces(folder),
        "locked": _is_locked(folder / LOCK),
        "commands": {name: shutil.which(name) is not None for name in ("sbatch", "scontrol")},
        "queue": _asks_queue(),
    }


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
        from emtnas_hpc.search.environment import choose_device, describe_conditions

        return {"conditions": describe_conditions(choose_device("auto"))}
    except Exception as error:  # noqa: BLE001 - a torch that cannot be imported is the finding
        return {"conditions": None, "torch_error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    main()
