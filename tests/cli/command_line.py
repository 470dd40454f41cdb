"""Running commands as a user does, and the smallest search there is."""

import re
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from warm import WarmProcess

from emtnas_hpc.cli.app import run_command_line

_ESCAPE = re.compile(r"\x1b\[[\d;?]*[A-Za-z]")

#: One task of 8x8 images.
TINY_SETTINGS = (
    'tasks=["digits"]',
    "task.digits.padding=0",
    "search.generations=2",
    "search.population=3",
    "supernet.channels=4",
    "training.batches=2",
    "training.batch_size=8",
    "evaluation.batch_size=40",
    "evaluation.recalibration_images=20",
    "retraining.normal_cells=[]",
)
TINY = ("cifar", *(word for setting in TINY_SETTINGS for word in ("--set", setting)))


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str


Emtnas = Callable[..., Result]
Start = Callable[..., WarmProcess]


def run_here(*arguments: object) -> Result:
    """Runs a command in this process; what it prints is kept without colours."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run_command_line([str(argument) for argument in arguments])
    return Result(code, *(_ESCAPE.sub("", stream.getvalue()) for stream in (out, err)))


def snapshot(directory: Path) -> dict[str, bytes | None]:
    """Everything below a directory: files with their contents, and folders."""
    return {
        str(path.relative_to(directory)): path.read_bytes() if path.is_file() else None
        for path in sorted(directory.rglob("*"))
    }
