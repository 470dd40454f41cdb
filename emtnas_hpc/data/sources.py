"""The setting `source`: what it may say, the directory that it names, and the known data sets."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast, get_args

from emtnas_hpc.errors import DataError
from emtnas_hpc.settings.experiment import TaskSettings
from emtnas_hpc.settings.messages import at_home

_MEDMNIST = (
    *("PathMNIST", "ChestMNIST", "DermaMNIST", "OCTMNIST", "PneumoniaMNIST", "RetinaMNIST"),
    *("BreastMNIST", "BloodMNIST", "TissueMNIST", "OrganAMNIST", "OrganCMNIST", "OrganSMNIST"),
)

Kind = Literal["torchvision", "medmnist", "package", "npz", "images", "imagenet"]

#: The data sets of each kind that has names; the other kinds have paths.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "torchvision": ("CIFAR10", "CIFAR100"),
    "medmnist": _MEDMNIST,
    "package": ("mnist5k", "digits"),
}
_KINDS = ", ".join(f"{kind}:..." for kind in get_args(Kind))
#: Names of files end at 255 bytes, and a key gets more than the name of its path.
_LONGEST_STEM = 100


@dataclass(frozen=True)
class Source:
    """A parsed source: its kind, and a data set's name or a path as the user wrote it.

    `image_size` is the edge that pictures are scaled to; 0 for all but an image folder.
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
        return at_home(self.argument).absolute()

    def folder(self, data_dir: Path) -> Path:
        """The user's folder of streamed images; relative ones begin in the data directory."""
        return (data_dir / at_home(self.argument)).absolute()

    @property
    def key(self) -> str:
        """Name of its directory in the data directory: readable, and different for each source."""
        split = "" if self.validation_split == "last" else f"-validation-{self.validation_split}"
        if self.kind in _NAMES:
            return f"{self.kind}-{self.argument.lower()}{split}"
        # A data directory that moves takes its streamed folders along, so they keep their key.
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


#: Sets whose left and right mean nothing. The classes of organs tell left from right, and the
#: radiographs and the eyes have sides too.
_FLIPPED = frozenset({"PathMNIST", "DermaMNIST", "BloodMNIST", "BreastMNIST", "TissueMNIST"})


def _cifar(name: str) -> TaskSettings:
    """CIFAR as the authors' code has it."""
    return TaskSettings(
        source=f"torchvision:{name}",
        padding=4,
        flip=True,
        mean=(125.3 / 255, 123.0 / 255, 113.9 / 255),
        std=(63.0 / 255, 62.1 / 255, 66.7 / 255),
    )


def _medmnist(name: str) -> TaskSettings:
    return TaskSettings(source=f"medmnist:{name}", padding=2, flip=name in _FLIPPED)


#: Its folder is `imagenet` in the data directory, unless the user names another one; mean and
#: deviation are those of the usual recipes.
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
        **{name.lower(): _medmnist(name) for name in _MEDMNIST},
        "imagenet": _IMAGENET,
        "mnist5k": TaskSettings(source="package:mnist5k", padding=2),
        "digits": TaskSettings(source="package:digits", padding=2),
    }
)
