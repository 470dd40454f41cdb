"""Run directories in one file: packed without what belongs to the machine that made them.

A run directory holds absolute paths (data, logs, the pickle of a job) and says who made it. What is
packed has marks in their places; unpacked it has the paths of where it lies now. Within a commit
nothing is replaced: its manifest would call that damage, and commits name neither paths nor hosts.
"""

import json
import platform
import re
import shlex
import socket
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

#: The code under test.
PACKAGE = Path(__file__).parents[2]
#: A pickle holds the length of a string, so what takes the place of a path must be as long.
ROOT_LENGTH = 160

_ROOT = "@ROOT@"
_COMMIT = re.compile(r"\d{6}")


def pack(root: Path, archive: Path) -> None:
    """Packs all below a folder whose path has `ROOT_LENGTH` characters.

    Raises:
        ValueError: a commit names the folder or the machine.
    """
    assert len(str(root)) == ROOT_LENGTH
    marks = {
        str(root): _ROOT,
        str(PACKAGE): "@PACKAGE@",
        sys.executable: "@PYTHON@",
        sys.prefix: "@PREFIX@",
        sys.base_prefix + "/": "@BASE@/",
        socket.gethostname(): "node1",
        platform.platform(): "Linux-x86_64",
        **_names_of_the_machine(root),
    }
    for file in _files(root):
        if _is_in_commit(file, root):
            if any(word.encode() in file.read_bytes() for word in marks if len(word) > 4):
                raise ValueError(f"{file} names this machine")
            continue
        _replace(file, marks)
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for path in sorted(root.iterdir()):
            tar.add(path, path.name, filter=_nobody)


def unpack(archive: Path, root: Path) -> None:
    """Unpacks them into an empty folder."""
    assert len(str(root)) <= ROOT_LENGTH, "a job's pickle has no room for a path of this length"
    with tarfile.open(archive) as tar:
        tar.extractall(root, filter="data")
    # Jobs read data, logs and their run directory by absolute paths, and run this Python.
    marks = {_ROOT: str(root), "@PACKAGE@": str(PACKAGE), "@PYTHON@": sys.executable}
    for file in _files(root):
        if not _is_in_commit(file, root):
            _replace(file, marks)


def _replace(file: Path, words: Mapping[str, str]) -> None:
    before = content = file.read_bytes()
    for word, other in words.items():
        if file.suffix == ".sh" and word.startswith("@"):
            other = shlex.quote(other)
        if file.suffix == ".pkl" and _ROOT in (word, other):
            # Slashes in a row are one.
            word, other = word.ljust(ROOT_LENGTH, "/"), other.ljust(ROOT_LENGTH, "/")
        if file.suffix != ".pkl" or len(word) == len(other):
            content = content.replace(word.encode(), other.encode())
    if content != before:
        file.write_bytes(content)


def _names_of_the_machine(root: Path) -> dict[str, str]:
    """What owner records hold of it: another machine has other ones, as after a boot."""
    owners = [json.loads(file.read_text()) for file in root.glob("runs/*/*/owner")]
    return {
        owner[name]: f"{name}-of-node1"
        for owner in owners
        for name in ("boot_id", "machine_id", "pid_namespace")
        if owner[name]
    }


def _files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


def _is_in_commit(file: Path, root: Path) -> bool:
    return any(_COMMIT.fullmatch(part) for part in file.relative_to(root).parts)


def _nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
