"""A data set that stays in the user's own files: too large for arrays, read while it is needed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.images import Split
from emtnas_hpc.data.listing import LISTED, FileList, check_folders
from emtnas_hpc.data.manifest import (
    ListingManifest,
    check_sizes,
    list_names,
    load_array,
    read_manifest,
)
from emtnas_hpc.data.prepared import check_normalisation, mended_by, per_channel
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.errors import DataError
from emtnas_hpc.experiment.settings import TaskSettings
from emtnas_hpc.pictures.crop import Crop
from emtnas_hpc.pictures.picture import Picture
from emtnas_hpc.space.shape import MIN_IMAGE_SIZE, StemKind, size_behind_stem

#: All pictures are made RGB.
IMAGE_CHANNELS = 3


@dataclass(frozen=True)
class Streamed:
    """One task's listed files; nothing but the manifest has been read yet. A `TaskData`.

    Attributes:
        name: of the task.
        prepared: the directory of the lists.
        folder: the user's own, of the pictures.
        manifest: what the lists say about themselves.
        task: how images are scaled, normalised and augmented.
        mend: the command that lists anew, for messages.
        note: what its user is to be told, in a line; empty for nothing.
    """

    name: str
    prepared: Path
    folder: Path
    manifest: ListingManifest
    task: TaskSettings
    mend: str
    note: str = field(default="", compare=False)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.manifest.classes)

    @property
    def image_channels(self) -> int:
        """Always 3."""
        return IMAGE_CHANNELS

    @property
    def image_size(self) -> int:
        """Edge of the square images in pixels."""
        return self.task.image_size

    @property
    def stem(self) -> StemKind:
        """Of the networks that see the images."""
        return self.task.stem

    @property
    def multi_label(self) -> bool:
        """Never."""
        return False

    @property
    def is_streamed(self) -> bool:
        """Always."""
        return True

    @property
    def mean(self) -> tuple[float, ...]:
        """Per channel, of pixel values in [0, 1]."""
        return per_channel(self.task.mean, IMAGE_CHANNELS)

    @property
    def std(self) -> tuple[float, ...]:
        """Per channel, of pixel values in [0, 1]."""
        return per_channel(self.task.std, IMAGE_CHANNELS)

    @cached_property
    def digest(self) -> str:
        """SHA-256, hexadecimal, of what is trained on: classes, files, sizes; not of pixels."""
        return self.manifest.digest(("train",))

    @cached_property
    def digest_with_test(self) -> str:
        """The same with the test set."""
        return self.manifest.content_digest

    @property
    def summary(self) -> str:
        """What there is, in a line for the user."""
        return (
            f"{self.n_images('train'):,} training and {self.n_images('test'):,} test pictures, "
            f"{self.n_classes} classes, in {self.folder}, listed in {self.prepared}"
        )

    def n_images(self, split: Split) -> int:
        """Number of images of a split; there is no validation set."""
        return self.manifest.n_images.get(split, 0)

    def check_test_set(self) -> None:
        """Looks whether the test pictures' folder and list are there.

        Raises:
            DataError: one is missing.
        """
        check_folders(self.folder)
        check_sizes(self.prepared, self.manifest, list_names("test"))

    def files(self, split: Split) -> FileList:
        """Reads and verifies the list of a split; opens no picture.

        Raises:
            DataError: it is missing or damaged.
        """
        with mended_by(self.mend):
            arrays = [load_array(self.prepared, self.manifest, name) for name in list_names(split)]
        return FileList(*arrays)

    def pictures(
        self,
        split: Split,
        files: FileList,
        chosen: NDArray[np.int64],
        crops: Sequence[Crop] | None = None,
    ) -> list[Picture]:
        """The pictures at some positions of a split's list, to be read by somebody.

        Args:
            split: that they belong to.
            files: its list.
            chosen: positions, (n,).
            crops: what is to be seen of each; None: the middle.
        """
        folder, classes = str(self.folder / LISTED[split]), self.manifest.classes
        seen: Sequence[Crop | None] = [None] * len(chosen) if crops is None else crops
        return [
            Picture(f"{folder}/{classes[files.labels[i]]}/{files.name(i)}", n_bytes, crop)
            for i, n_bytes, crop in zip(chosen, files.sizes[chosen].tolist(), seen, strict=True)
        ]


def open_streamed(
    name: str,
    task: TaskSettings,
    data_dir: Path,
    *,
    mend: str,
    folder: Path | None = None,
    note: str = "",
) -> Streamed:
    """Opens the lists that `prepare` made; looks at no picture.

    Args:
        name: of the task.
        task: its settings.
        data_dir: where lists are.
        mend: the command that lists anew, for messages.
        folder: of the lists; by default the first that were made of the source.
        note: what the user is to be told.

    Raises:
        DataError: a list or a folder is missing, or the settings do not fit.
    """
    source = parse_source(task, f"task.{name}.source")
    prepared, pictures = folder or data_dir / source.key, source.folder(data_dir)
    with mended_by(mend):
        manifest = read_manifest(prepared, ListingManifest)
        check_sizes(prepared, manifest, manifest.arrays)
        check_folders(pictures)
    check_streamed_settings(name, task)
    return Streamed(name, prepared, pictures, manifest, task, mend, note)


def check_streamed_settings(name: str, task: TaskSettings) -> None:
    """Refuses settings that streamed images have no use for.

    Raises:
        DataError: naming the setting.
    """
    check_normalisation(name, task, IMAGE_CHANNELS)
    for setting, found, expected in (("pool", task.pool, 1), ("padding", task.padding, 0)):
        if found != expected:
            raise DataError(
                f"task.{name}.{setting} is {found}, expected {expected}: streamed images are cut "
                f"out of their pictures and scaled to task.{name}.image_size"
            )
    left = size_behind_stem(task.image_size, task.stem)
    if left < MIN_IMAGE_SIZE:
        raise DataError(
            f"task.{name}.image_size is {task.image_size}, of which a {task.stem} stem leaves "
            f"{left} pixels, expected at least {MIN_IMAGE_SIZE}"
        )
