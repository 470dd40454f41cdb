"""What a prepared directory says about itself: written last, believed first, checked always."""

import errno
import hashlib
import io
import json
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from emtnas_hpc.checkpoint.atomic import hold, write_synced
from emtnas_hpc.checkpoint.os_errors import storage_error
from emtnas_hpc.data.folders import LISTED
from emtnas_hpc.data.images import SPLITS, Say, Split
from emtnas_hpc.errors import DataError, shown

SCHEMA: Final = 1
MANIFEST = "manifest.json"
#: The images' names within their source, of each split; earlier versions wrote none.
NAMES = "names.json"

#: Of the test set a search does not even know whether it is still there.
SEEN_BY_A_SEARCH: Final[tuple[Split, ...]] = ("train", "val")

_SHOWN_DIGITS = 12


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileRecord(_Record):
    """One array file as it was written."""

    n_bytes: int
    sha256: str


class Contents(_Record):
    """What every `manifest.json` says.

    Attributes:
        schema_version: layout of the directory.
        source: the setting that it was made from.
        fingerprint: of the user's file or folder when it was read, else empty.
        classes: their names, in the order of their numbers.
        n_images: of each split.
        files: by name, `train_images.npy` and so on.
    """

    schema_version: Literal[1] = SCHEMA
    source: str
    fingerprint: str
    classes: tuple[str, ...]
    n_images: dict[str, int]
    files: dict[str, FileRecord]

    @property
    @abstractmethod
    def arrays(self) -> tuple[str, ...]:
        """The names of the files that are the data."""

    @property
    @abstractmethod
    def content_digest(self) -> str:
        """SHA-256, hexadecimal, of all of the data, the test set as well."""

    def hashes(self, names: Iterable[str]) -> list[str]:
        """The SHA-256 of some of the files."""
        return [self.files[name].sha256 for name in names]


class Manifest(Contents):
    """That of a directory of arrays.

    Attributes:
        image_channels: 1 or 3.
        image_size: edge of the square images before pooling.
        multi_label: an image may belong to several classes.
        conversion: how pixel values were brought to 0..255, in words; empty where they are as in
            the source, or nobody wrote it down.
    """

    image_channels: int
    image_size: int
    multi_label: bool
    conversion: str = ""

    @property
    def arrays(self) -> tuple[str, ...]:
        """Images and labels of every split."""
        return _array_files(SPLITS)

    @property
    def content_digest(self) -> str:
        """SHA-256, hexadecimal, of all images and labels, those of the test set as well."""
        return _digest([self.hashes(self.arrays), len(self.classes)])

    def search_digest(self, pool: int) -> str:
        """SHA-256, hexadecimal, of all that a search reads; the test set has no part in it."""
        return _digest([self.hashes(_array_files(SEEN_BY_A_SEARCH)), len(self.classes), pool])


class ListingManifest(Contents):
    """That of a directory that only lists the user's own files."""

    kind: Literal["listing"] = "listing"

    @property
    def arrays(self) -> tuple[str, ...]:
        """Names, sizes and labels of every part."""
        return _lists(tuple(LISTED))

    @property
    def content_digest(self) -> str:
        """SHA-256, hexadecimal, of classes, files and sizes; not of pixels."""
        return self.digest(tuple(LISTED))

    def digest(self, splits: Sequence[Split]) -> str:
        """The same of some of the parts."""
        return _digest(["listing", self.classes, self.hashes(_lists(splits))])


M = TypeVar("M", bound=Contents)


def array_files(split: Split) -> tuple[str, str]:
    """The names of the two files of a split: its images, its labels."""
    return f"{split}_images.npy", f"{split}_labels.npy"


def list_names(split: Split) -> tuple[str, str, str]:
    """The files of a split's list: names, sizes, labels."""
    return f"{split}_names.npy", f"{split}_sizes.npy", f"{split}_labels.npy"


def record(content: bytes | memoryview) -> FileRecord:
    """The record of a file with this content."""
    return FileRecord(n_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def write_manifest(folder: Path, manifest: Contents) -> None:
    """Completes a directory; nothing may be written to it afterwards."""
    write_synced(folder / MANIFEST, manifest.model_dump_json(indent=1).encode())


def read_manifest(folder: Path, kind: type[M]) -> M:
    """Reads `manifest.json`, expected to be of this kind.

    Raises:
        DataError: it is missing, damaged, or of another schema.
    """
    path = folder / MANIFEST
    try:
        manifest = kind.model_validate_json(path.read_bytes())
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the text"
        raise DataError(
            f"{path} is damaged or of another version than {SCHEMA} ({where}: {first['msg']})"
        ) from None
    for name in manifest.arrays:
        _expected(folder, manifest, name)
    return manifest


def open_folder(folder: Path) -> Manifest:
    """Reads the manifest, and checks the presence and sizes of the files that a search sees.

    Raises:
        DataError: one of them is missing, or longer or shorter than it was written.
    """
    manifest = read_manifest(folder, Manifest)
    seen = (name for split in SEEN_BY_A_SEARCH for name in array_files(split))
    check_sizes(folder, manifest, seen)
    return manifest


def check_sizes(folder: Path, manifest: Contents, names: Iterable[str]) -> None:
    """Checks that files are there and as long as they were written; opens none.

    Raises:
        DataError: one of them is not.
    """
    for name in names:
        path, expected = folder / name, _expected(folder, manifest, name).n_bytes
        try:
            found = path.stat().st_size
        except OSError as error:
            raise _unreadable(path, error) from None
        if found != expected:
            raise DataError(f"{path} has {found} bytes, expected {expected}")


def read_verified(folder: Path, manifest: Contents, name: str) -> bytes:
    """Reads a file whole and checks its SHA-256.

    Raises:
        DataError: it cannot be read, or is not what was written.
    """
    path, expected = folder / name, _expected(folder, manifest, name).sha256
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(
            f"{path} has SHA-256 {found[:_SHOWN_DIGITS]}, expected {expected[:_SHOWN_DIGITS]}"
        )
    return content


def load_array(folder: Path, manifest: Contents, name: str) -> NDArray[Any]:
    """Reads an array and checks it, as `read_verified` does."""
    array: NDArray[Any] = np.load(io.BytesIO(read_verified(folder, manifest, name)))
    return array


def _array_files(splits: Sequence[Split]) -> tuple[str, ...]:
    return tuple(name for split in splits for name in array_files(split))


def _lists(splits: Sequence[Split]) -> tuple[str, ...]:
    return tuple(name for split in splits for name in list_names(split))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _unreadable(path: Path, error: OSError) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path} is missing")
    return DataError(f"{path} cannot be read ({error.strerror})")


def _expected(folder: Path, manifest: Contents, name: str) -> FileRecord:
    if name not in manifest.files:
        raise DataError(f"{folder / MANIFEST} is damaged: it does not list {name}")
    return manifest.files[name]


_ADVICE = "make room or choose another directory with --data, then repeat the command"

#: Nothing is wrong with the disk: the place is none where anything can be written.
_WRONG_PLACE = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ELOOP,
        errno.ENAMETOOLONG,
    }
)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns every OSError of the block into one of ours that names `path`.

    Raises:
        DataError: nothing can be written there, whatever the disk has room for.
        StorageError: the disk refused.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _WRONG_PLACE:
            raise DataError(
                f"cannot write {shown(path)}: {error.strerror}; choose a directory with --data "
                "that can be written"
            ) from error
        raise storage_error(path, error, advice=_ADVICE) from error


@contextmanager
def exclusive(path: Path, say: Say) -> Iterator[bool]:
    """Waits until no other process is inside.

    Yields:
        Whether there is a lock: some shared file systems have none, and work goes on without.
    """

    def waiting() -> None:
        say(f"waiting for another process that is preparing the same data ({path})")

    with storage_errors(path):
        file = path.open("a")
    with file:
        yield bool(hold(file.fileno(), waiting))
