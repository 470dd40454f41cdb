"""Where everything of one cluster lies: below one folder, its root."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_slurm.errors import LocalSlurmError, UsageError

#: A UNIX socket's name has 107 bytes at most, and slurmstepd's is this much longer than the root.
_LONGEST_ROOT = 107 - len("/spool-n99/n99_1234567.4294967291")


@dataclass(frozen=True)
class Folder:
    """The root, and what is in it.

    Attributes:
        root: an absolute path of plain characters, short enough for sockets in it.
    """

    root: Path

    @property
    def slurm_conf(self) -> Path:
        """All that a client has to know: `export SLURM_CONF=...`."""
        return self.root / "etc/slurm.conf"

    @property
    def site(self) -> Path:
        """The switches that the cluster was started with."""
        return self.root / "site.json"

    @property
    def munge_key(self) -> Path:
        """The secret of this cluster."""
        return self.root / "munge/key"

    @property
    def munge_socket(self) -> Path:
        """Where munged answers."""
        return self.root / "munge/socket"

    @property
    def database(self) -> Path:
        """MariaDB's data."""
        return self.root / "db"

    @property
    def database_socket(self) -> Path:
        """Where MariaDB answers its owner."""
        return self.root / "db/socket"

    def process(self, name: str) -> Path:
        """The record of a daemon's process."""
        return self.root / "pid" / name

    def log(self, name: str) -> Path:
        """What a daemon printed."""
        return self.root / "log" / f"{name}.out"

    def spool(self, node: str) -> Path:
        """Where a node keeps its jobs."""
        return self.root / f"spool-{node}"

    def processes(self) -> list[str]:
        """The names of the daemons that have a record."""
        return sorted(path.name for path in self.process("").glob("*"))

    def make(self) -> None:
        """Makes the folder and those in it."""
        for name in ("etc", "log", "pid", "run", "munge", "state", "dev"):
            (self.root / name).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Holds the folder against another `up` or `down`.

        Raises:
            LocalSlurmError: another one is at work.
        """
        with (self.root / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LocalSlurmError(
                    f"another local-slurm is at work in {self.root}; wait until it has ended"
                ) from None
            yield


def folder_at(root: Path) -> Folder:
    """The folder of that root.

    Raises:
        UsageError: its path will not do.
    """
    root = Path(os.path.abspath(root))  # noqa: PTH100 - resolve() would lengthen it
    # SLURM's files split values at blanks and commas, and expand %.
    if not re.fullmatch(r"[\w./+-]+", str(root), re.ASCII):
        raise UsageError(f"SLURM cannot take the path {root}; choose a --root of plain characters")
    if len(str(root)) > _LONGEST_ROOT:
        raise UsageError(
            f"{root} has {len(str(root))} characters, but sockets in it allow {_LONGEST_ROOT}; "
            "choose a shorter --root"
        )
    return Folder(root)
