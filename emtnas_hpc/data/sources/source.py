"""Where a task's images come from, as the text of its setting `source` says it."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from emtnas_hpc.data.sources.medmnist_sets import MEDMNIST_SETS
from emtnas_hpc.data.sources.package_sets import PACKAGE_SETS
from emtnas_hpc.data.sources.torchvision_sets import TORCHVISION_SETS
from emtnas_hpc.errors import DataError
from emtnas_hpc.experiment.settings import TaskSettings
from emtnas_hpc.experiment.text import at_home

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
    """

    kind: Kind
    argument: str
    image_size: int

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
        if self.kind in _NAMES:
            return f"{self.kind}-{self.argument.lower()}"
        path = Path(self.argument) if self.is_streamed else self.path
        stem = re.sub(r"[^A-Za-z0-9_.-]", "-", path.stem)[:_LONGEST_STEM] or "data"
        size = f"-{self.image_size}px" if self.image_size else ""
        return f"{self.kind}-{stem}{size}-{_short_hash(str(path))}"


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
    return Source(cast(Kind, kind), argument, size)


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
