"""manifest.json: what a commit is, and what its files must be.

It is written last, so a directory with a manifest is a whole commit; it carries a digest of itself,
so a flipped bit in it is damage and never another signature.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
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
class Manifest:
    """The content of manifest.json.

    Attributes:
        stage: name of the stage.
        step: the state is the one after this step.
        signature: of the settings and data that the stage's result depends on.
        files: by path relative to the commit.
    """

    stage: str
    step: int
    signature: str
    files: dict[str, FileRecord]

    def to_text(self) -> str:
        """The manifest as JSON, its own digest last."""
        body = {"schema": SCHEMA, **asdict(self)}
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
    except (ValueError, TypeError, KeyError):
        return Damage(MANIFEST, "a manifest", f"{len(text)} bytes of something else")
    if body["schema"] != SCHEMA:
        raise InputError(
            f"{shown(directory)} has manifest schema {body['schema']}, expected {SCHEMA}; "
            "use the version of emtnas-hpc that made it"
        )
    files = {name: FileRecord(**record) for name, record in body["files"].items()}
    return Manifest(body["stage"], body["step"], body["signature"], files)


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


def record_of(path: Path) -> FileRecord:
    """Measures a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileRecord(file.tell(), digest)


def short(digest: str) -> str:
    """A digest in a message: as many digits as tell two apart."""
    return digest[:_SHOWN_DIGITS]


def _digest(body: dict[str, object]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
