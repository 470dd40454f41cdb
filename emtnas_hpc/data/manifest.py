"""A prepared directory and its manifest, which is written last and trusted first."""

import errno
import hashlib
import io
import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from emtnas_hpc.checkpoint.atomic import sync_directory, write_synced
from emtnas_hpc.checkpoint.os_errors import refusal, storage_error
from emtnas_hpc.data.images import SPLITS, Split
from emtnas_hpc.errors import DataError, UnpreparedError

SCHEMA: Final = 1
MANIFEST = "manifest.json"
#: The images' names within their source; earlier versions wrote no such file.
NAMES = "names.json"

#: A search does not even check whether the test set is still there.
SEEN_BY_A_SEARCH: Final[tuple[Split, ...]] = ("train", "val")

_SHOWN_DIGITS = 12


class SavedFile(BaseModel):
    """Length and hash of a file as it was written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_bytes: int
    sha256: str

    @classmethod
    def of(cls, content: bytes | memoryview) -> "SavedFile":
        """Of a file with this content."""
        return cls(n_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


class DataManifest(BaseModel):
    """What every `manifest.json` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Each split has a file of each content.
    contents: ClassVar[tuple[str, ...]]
    splits: ClassVar[tuple[Split, ...]]

    # The order of the fields is that of the bytes in the file, which are never to change.
    schema_version: Literal[1] = SCHEMA
    #: The setting.
    source: str
    #: Of the user's file or folder when it was read; empty for other sources.
    fingerprint: str
    #: Names, in the order of the class numbers.
    classes: tuple[str, ...]
    n_images: dict[str, int]
    files: dict[str, SavedFile]

    @classmethod
    def arrays(cls, *splits: Split) -> tuple[str, ...]:
        """The names of the files with the data of some splits."""
        return tuple(f"{split}_{what}.npy" for split in splits for what in cls.contents)

    @property
    @abstractmethod
    def content_digest(self) -> str:
        """SHA-256, hexadecimal, of all of the data, the test set as well."""

    @abstractmethod
    def search_digest(self, pool: int) -> str:
        """SHA-256, hexadecimal, of the data but the test set, pooled by a factor."""

    def _hashes(self, *splits: Split) -> list[str]:
        return [self.files[name].sha256 for name in self.arrays(*splits)]


class ArraysManifest(DataManifest):
    """The manifest of a directory of arrays."""

    contents = ("images", "labels")
    splits = SPLITS

    image_channels: int
    #: Edge of the square images before pooling.
    image_size: int
    #: Whether an image may belong to several classes.
    multi_label: bool
    #: How pixel values were brought to 0..255, in words; earlier versions did not record it.
    conversion: str = ""

    @property
    def content_digest(self) -> str:
        """Of all images and labels."""
        return _digest([self._hashes(*SPLITS), len(self.classes)])

    def search_digest(self, pool: int) -> str:
        """Of training and validation images."""
        return _digest([self._hashes(*SEEN_BY_A_SEARCH), len(self.classes), pool])


class ListingManifest(DataManifest):
    """The manifest of a directory that only lists the user's own files."""

    contents = ("names", "sizes", "labels")
    splits = ("train", "test")

    kind: Literal["listing"] = "listing"

    @property
    def content_digest(self) -> str:
        """Of classes, files and sizes; not of pixels."""
        return _digest(["listing", self.classes, self._hashes(*self.splits)])

    def search_digest(self, pool: int) -> str:  # noqa: ARG002 - pictures are not pooled
        """The same of the training part."""
        return _digest(["listing", self.classes, self._hashes("train")])


@dataclass(frozen=True)
class Copy:
    """A prepared directory whose manifest can be read.

    `needs` says what has to be true before it can be prepared anew; it is part of errors.
    """

    folder: Path
    manifest: DataManifest
    needs: str = field(default="", compare=False, kw_only=True)

    @property
    def age(self) -> tuple[int, str]:
        """Grows with the time at which the source was last found to be like this copy."""
        return (self.folder / MANIFEST).stat().st_mtime_ns, self.folder.name

    def check_sizes(self, names: Iterable[str]) -> None:
        """Checks that files are there and as long as they were written; opens none.

        Raises:
            UnpreparedError: one of them is not.
        """
        for name in names:
            path, expected = self.folder / name, self.manifest.files[name].n_bytes
            with _errors(path, self.needs):
                found = path.stat().st_size
            if found != expected:
                raise UnpreparedError(f"{path} has {found} bytes, expected {expected}", self.needs)

    def is_whole(self) -> bool:
        """Whether the files that a search reads are there."""
        try:
            self.check_sizes(self.manifest.arrays(*SEEN_BY_A_SEARCH))
        except DataError:
            return False
        return True

    def read(self, name: str) -> bytes:
        """Reads a file whole and checks its SHA-256.

        Raises:
            UnpreparedError: it cannot be read, or is not what was written.
        """
        path, expected = self.folder / name, self.manifest.files[name].sha256
        with _errors(path, self.needs):
            content = path.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != expected:
            raise UnpreparedError(
                f"{path} has SHA-256 {found[:_SHOWN_DIGITS]}, expected {expected[:_SHOWN_DIGITS]}",
                self.needs,
            )
        return content

    def arrays(self, split: Split) -> list[NDArray[Any]]:
        """Reads and checks the arrays of a split; opens no file of another."""
        return [np.load(io.BytesIO(self.read(name))) for name in self.manifest.arrays(split)]

    def names(self) -> dict[str, list[str]]:
        """The images' names of every split; empty where they are unknown."""
        if NAMES not in self.manifest.files:
            return {}
        names: dict[str, list[str]] = json.loads(self.read(NAMES))
        if any(len(names[split]) != n for split, n in self.manifest.n_images.items()):
            raise DataError(f"{self.folder / NAMES} has names for another number of images")
        return names


def read_copy(folder: Path, kind: type[DataManifest]) -> Copy:
    """Reads `manifest.json`, expected to be of this kind.

    Raises:
        UnpreparedError: it is missing, damaged, or of another schema.
    """
    path = folder / MANIFEST
    try:
        with _errors(path):
            manifest = kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        raise UnpreparedError(
            f"{path} is damaged or of another version than {SCHEMA} ({where}: {first['msg']})"
        ) from None
    for name in manifest.arrays(*manifest.splits):
        if name not in manifest.files:
            raise UnpreparedError(f"{path} is damaged: it does not list {name}")
    return Copy(folder, manifest)


def write_copy(
    folder: Path, manifest: DataManifest, files: Mapping[str, NDArray[Any] | bytes]
) -> Copy:
    """Fills an empty directory; the records of `files` are added to the manifest."""
    records = {}
    for name, content in files.items():
        saved = content if isinstance(content, bytes) else npy(content)
        records[name] = SavedFile.of(saved)
        write_synced(folder / name, saved)
    manifest = manifest.model_copy(update={"files": records})
    # Last: a directory with a manifest is complete.
    write_synced(folder / MANIFEST, manifest.model_dump_json(indent=1).encode())
    sync_directory(folder)
    return Copy(folder, manifest)


def npy(array: NDArray[Any]) -> memoryview:
    """An array as the content of a file."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array))
    return buffer.getbuffer()


def _digest(value: object) -> str:
    # Runs store these digests: another spelling of the JSON would be other data.
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


@contextmanager
def _errors(path: Path, needs: str = "") -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UnpreparedError(f"{path} is missing", needs) from None
    except OSError as error:
        raise UnpreparedError(refusal(path, error), needs) from None


_ADVICE = "make room or choose another directory with --data, then repeat the command"

#: The disk is all right, but nothing can be written in this place.
_WRONG_PLACE = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR),
        *(errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG),
    }
)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turns an OSError of writing to the data directory into one of ours that names `path`.

    Raises:
        DataError: nothing can be written there, however much room the disk has.
        StorageError: the disk refused.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _WRONG_PLACE:
            raise DataError(
                f"{refusal(path, error, 'write')}; choose a directory with --data that can be "
                "written"
            ) from error
        raise storage_error(path, error, advice=_ADVICE) from error
