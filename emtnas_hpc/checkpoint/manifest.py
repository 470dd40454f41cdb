"""manifest.json: what a commit is, and the sizes and digests of its files.

It is written last, so a directory with a manifest is a whole commit; it carries a digest of itself,
so a flipped bit in it is damage and never another signature.
"""

import hashlib
import json
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from emtnas_hpc.checkpoint.os_errors import is_there, read_if_there, storage_errors
from emtnas_hpc.errors import InputError, shown

MANIFEST = "manifest.json"
SCHEMA = 1

_SHOWN_DIGITS = 12


@dataclass(frozen=True)
class FileRecord:
    """A file of a commit: its size in bytes and the SHA-256 of its content."""

    size: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.size} bytes with SHA-256 {short(self.sha256)}"


@dataclass(frozen=True)
class Damage:
    """A file that is not what it should be."""

    file: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.file}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class TaskSummary:
    """The state of a stage on one data set.

    Attributes:
        accuracy: in [0, 1]: the best true fitness so far, or the test accuracy of a retraining that
            has ended; None where there is none, or where the loss diverged.
        diverged: where the training loss was first no finite number, such as `generation 3`; empty
            if nowhere.
    """

    accuracy: float | None
    diverged: str = ""


@dataclass(frozen=True)
class Summary:
    """How far a stage is, for readers that open nothing of a commit but its manifest.

    Attributes:
        step: generations or epochs that are over.
        n_steps: that it is to reach.
        seconds: of one of them, the median of the newest ten; None before the first.
        tasks: by the name of the data set.
        experiment_signature: the same for all seeds of an experiment, and for no other.
        n_bytes: of the commit; filled in by the store.
    """

    step: int
    n_steps: int
    seconds: float | None
    tasks: Mapping[str, TaskSummary]
    experiment_signature: str
    n_bytes: int = 0

    @property
    def finished(self) -> bool:
        """Whether nothing of the stage is left."""
        return self.step >= self.n_steps


#: The summary takes the median time of so many steps, the newest ones.
_N_RECENT = 10


def median_of_newest(seconds: Sequence[float]) -> float | None:
    """The `seconds` of a summary, from those of every step; None before the first."""
    return statistics.median(seconds[-_N_RECENT:]) if seconds else None


@dataclass(frozen=True)
class Manifest:
    """The content of manifest.json.

    Attributes:
        step: number of steps that the state has behind it.
        signature: of the settings and data that the stage's result depends on.
        files: by path relative to the commit.
        summary: None in a commit of a version that wrote none.
    """

    stage: str
    step: int
    signature: str
    files: dict[str, FileRecord]
    summary: Summary | None = None

    @property
    def n_bytes(self) -> int:
        """Of all files together."""
        return sum(record.size for record in self.files.values())

    def to_text(self) -> str:
        """The manifest as JSON, its own digest last."""
        body = {"schema": SCHEMA, **asdict(self)}
        if self.summary is None:
            del body["summary"]
        return json.dumps({**body, "sha256": _digest(body)}, indent=1) + "\n"


def read_manifest(directory: Path) -> Manifest | Damage:
    """Reads the manifest of a commit, or says what is wrong with it.

    Raises:
        InputError: it is whole, but a later version of this program wrote it.
        StorageError: it cannot be read, which says nothing about the commit.
    """
    text = read_if_there(directory / MANIFEST)
    if text is None:
        return Damage(MANIFEST, "a manifest", "no file")
    try:
        body = json.loads(text)
        found = _digest({key: body[key] for key in body if key != "sha256"})
        if found != body["sha256"]:
            expected = f"SHA-256 {short(body['sha256'])} of its body"
            return Damage(MANIFEST, expected, f"SHA-256 {short(found)}")
    except (ValueError, TypeError, KeyError, IndexError):
        return Damage(MANIFEST, "a manifest", f"{len(text)} bytes of something else")
    if body["schema"] != SCHEMA:
        raise InputError(
            f"{shown(directory)} has manifest schema {body['schema']}, expected {SCHEMA}; "
            "use the version of emtnas-hpc that made it"
        )
    files = {name: FileRecord(**record) for name, record in body["files"].items()}
    summary = None
    if values := body.get("summary"):
        tasks = {name: TaskSummary(**task) for name, task in values["tasks"].items()}
        # A later version may say more.
        known = {each.name: values[each.name] for each in fields(Summary) if each.name in values}
        summary = Summary(**{**known, "tasks": tasks})
    return Manifest(body["stage"], body["step"], body["signature"], files, summary=summary)


def find_all_damage(directory: Path) -> list[Damage]:
    """Everything that is wrong with a commit, its manifest included; empty means good.

    Raises:
        InputError: a later version of this program wrote it.
        StorageError: it cannot be read, which says nothing about the commit.
    """
    manifest = read_manifest(directory)
    if isinstance(manifest, Damage):
        return [manifest]
    return find_damage(directory, manifest, manifest.files)


def find_damage(directory: Path, manifest: Manifest, files: Iterable[str]) -> list[Damage]:
    """Compares files of a commit with its manifest, content and all.

    Raises:
        StorageError: it cannot be read, which says nothing about the commit.
    """
    damage = []
    for name in files:
        if name not in manifest.files:
            damage.append(Damage(name, "to be in the manifest", "no entry"))
            continue
        with storage_errors(directory / name, "read"):
            found = record_of(directory / name) if is_there(directory / name) else None
        if found is None:
            damage.append(Damage(name, str(manifest.files[name]), "no file"))
        elif found != manifest.files[name]:
            damage.append(Damage(name, str(manifest.files[name]), str(found)))
    return damage


def find_missing(directory: Path, manifest: Manifest, file: str) -> list[Damage]:
    """Compares one file of a commit with its manifest by size, and does not read it.

    Raises:
        StorageError: it cannot be looked at.
    """
    expected = manifest.files.get(file)
    if expected is None:
        return [Damage(file, "to be in the manifest", "no entry")]
    found = "no file"
    if is_there(directory / file):
        # Opened, so that a file that may not be read is refused now and not in a job.
        with storage_errors(directory / file, "read"), (directory / file).open("rb") as opened:
            found = f"{os.fstat(opened.fileno()).st_size} bytes"
    return [] if found == f"{expected.size} bytes" else [Damage(file, str(expected), found)]


def record_of(path: Path) -> FileRecord:
    """The size and digest of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileRecord(file.tell(), digest)


def short(digest: str) -> str:
    """A digest for a message: enough digits to tell two apart."""
    return digest[:_SHOWN_DIGITS]


def _digest(body: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
