"""Copies of a checkout in which a fault is planted, and the tests that are run there."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from planting.faults import Fault

PACKAGE = "emtnas_hpc"
#: What tests read; whatever else lies in a checkout may be large.
_COPIED = (
    *(PACKAGE, "tests", "tools", "configs", "slurm", "docs", "pyproject.toml"),
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
)
#: That each test has.
MOST_S = 300
#: What pytest leaves with.
_PASSED, _FAILED = 0, 1


class LostError(Exception):
    """A fault cannot be planted, or its tests cannot be run; one line."""


@dataclass(frozen=True)
class Place:
    """Where a fault goes, and its tests as pytest names them; relative to the checkout."""

    file: Path
    line: int
    planted: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def find(root: Path, fault: Fault) -> Place:
    """Looks for a fault's snippet in the whole package, and for its tests in all of them.

    Raises:
        LostError: the snippet is not there exactly once, or a test is not.
    """
    pattern = re.compile(r"\s+".join(map(re.escape, fault.snippet.split())))
    found = [
        (file, text, match)
        for file, text in _sources(root / PACKAGE)
        for match in pattern.finditer(text)
    ]
    if len(found) != 1:
        where = ", ".join(str(file.relative_to(root)) for file, _text, _match in found)
        times = f"{len(found)} times ({where})" if found else "nowhere"
        raise LostError(
            f"{fault.name}: {' '.join(fault.snippet.split())!r} is {times} in {PACKAGE}"
        )
    file, text, match = found[0]
    return Place(
        file.relative_to(root),
        text.count("\n", 0, match.start()) + 1,
        text[: match.start()] + fault.replacement + text[match.end() :],
        tuple(_node(root, test, fault) for test in fault.tests),
    )


def copy_checkout(root: Path, folder: Path) -> None:
    """Copies what tests need."""
    for name in _COPIED:
        source = root / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".*_cache")
            shutil.copytree(source, folder / name, ignore=ignored)
        elif source.is_file():
            shutil.copy2(source, folder / name)


def are_noticed(copy: Path, fault: Fault, place: Place) -> bool:
    """Plants a fault in a copy, runs its tests, and takes the fault out again.

    Raises:
        LostError: they cannot be run, or take too long, which says nothing about the fault.
    """
    file = copy / place.file
    whole = file.read_text(encoding="utf-8")
    file.write_text(place.planted, encoding="utf-8")
    try:
        return not pass_(copy, place.tests)
    except LostError as error:
        raise LostError(f"{fault.name}: {error}") from None
    finally:
        file.write_text(whole, encoding="utf-8")


def pass_(copy: Path, tests: Sequence[str]) -> bool:
    """Whether tests pass in a copy.

    Raises:
        LostError: pytest could not run them, or they did not end in time.
    """
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "--tb=line"),
        *("-p", "no:cacheprovider", *dict.fromkeys(tests)),
    ]
    most_s = MOST_S * len(tests)
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy),
        # Within a second a file may change twice without changing its size.
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
    }
    try:
        done = subprocess.run(
            command,
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=most_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LostError(f"the tests took over {most_s} s") from None
    if done.returncode not in (_PASSED, _FAILED):
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise LostError(f"pytest ended with {done.returncode}: {said[-1] if said else 'nothing'}")
    return done.returncode == _PASSED


def _node(root: Path, test: str, fault: Fault) -> str:
    definition = re.compile(rf"^def {test}\(", re.MULTILINE)
    files = [file for file, text in _sources(root / "tests") if definition.search(text)]
    if len(files) != 1:
        raise LostError(f"{fault.name}: {len(files)} files of tests define {test}, expected one")
    return f"{files[0].relative_to(root)}::{test}"


def _sources(folder: Path) -> Iterable[tuple[Path, str]]:
    for file in sorted(folder.rglob("*.py")):
        yield file, file.read_text(encoding="utf-8")
