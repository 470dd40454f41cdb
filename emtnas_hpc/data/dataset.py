"""The data of a task: arrays in memory, or pictures that stay in their files."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.copies import manifest_kind
from emtnas_hpc.data.folders import LISTED, FileList, check_folders
from emtnas_hpc.data.images import Crop, Images, PictureFile, Split, pool_images
from emtnas_hpc.data.manifest import (
    SEEN_BY_A_SEARCH,
    ArraysManifest,
    Copy,
    ListingManifest,
    read_copy,
)
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.errors import DataError, UnpreparedError
from emtnas_hpc.settings.experiment import TaskSettings, per_channel
from emtnas_hpc.space.architecture import NetworkShape, smallest_image


@dataclass(frozen=True)
class TaskData(Copy, ABC):
    """One task's data, opened by its manifest; `note` is a line for the user, or empty."""

    name: str
    task: TaskSettings
    note: str = field(default="", compare=False, kw_only=True)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.manifest.classes)

    @property
    @abstractmethod
    def image_channels(self) -> int:
        """1 or 3."""

    @property
    @abstractmethod
    def image_size(self) -> int:
        """Edge of the square images in pixels, as a network sees them."""

    def network_shape(self, channels: int, n_normal: int) -> NetworkShape:
        """The shape of a network of C and N that sees the images."""
        return NetworkShape(
            channels=channels,
            n_normal=n_normal,
            image_channels=self.image_channels,
            image_size=self.image_size,
            n_classes=self.n_classes,
            stem=self.task.stem,
        )

    @property
    def multi_label(self) -> bool:
        """Whether labels are (n, n_classes) of zeros and ones."""
        return False

    @property
    def mean(self) -> tuple[float, ...]:
        """Per channel, of pixel values in [0, 1]."""
        return per_channel(self.task.mean, self.image_channels)

    @property
    def std(self) -> tuple[float, ...]:
        """Per channel, of pixel values in [0, 1]."""
        return per_channel(self.task.std, self.image_channels)

    @cached_property
    def digest(self) -> str:
        """SHA-256, hexadecimal, of the training and validation images."""
        return self.manifest.search_digest(self.task.pool)

    @cached_property
    def digest_with_test(self) -> str:
        """The same with the test set, which is not read: the manifest has its hashes."""
        return self.manifest.content_digest

    @property
    @abstractmethod
    def summary(self) -> str:
        """Numbers of images, classes and the folder, in a line for the user."""

    def n_images(self, split: Split) -> int:
        """Number of images of a split; there may be no validation set."""
        return self.manifest.n_images.get(split, 0)

    def check_test_set(self) -> None:
        """Checks that the test set is there, without reading it.

        A search does not need it, and a retraining would miss it after days.

        Raises:
            UnpreparedError: it is missing.
        """
        try:
            self.check_sizes(self.manifest.arrays("test"))
        except DataError as error:
            raise UnpreparedError(f"{error}, and the retraining ends in it", self.needs) from None


@dataclass(frozen=True)
class Prepared(TaskData):
    """Images that are small enough to be held in memory."""

    manifest: ArraysManifest

    @property
    def image_channels(self) -> int:
        """As in the source."""
        return self.manifest.image_channels

    @property
    def image_size(self) -> int:
        """After pooling."""
        return self.manifest.image_size // self.task.pool

    @property
    def multi_label(self) -> bool:
        """As in the source."""
        return self.manifest.multi_label

    @property
    def summary(self) -> str:
        """Names the size before pooling."""
        n_images, size = self.manifest.n_images, self.manifest.image_size
        converted = f"; {self.manifest.conversion}" if self.manifest.conversion else ""
        return (
            f"{n_images['train']:,} training, {n_images['val']:,} validation and "
            f"{n_images['test']:,} test images of {size}x{size}x{self.image_channels}, "
            f"{self.n_classes} classes, in {self.folder}{converted}"
        )

    def load(self, split: Split) -> Images:
        """Reads, verifies and pools one split.

        Raises:
            UnpreparedError: a file is missing or damaged.
        """
        images, labels = self.arrays(split)
        return Images(pool_images(images, self.task.pool), labels)


#: All listed pictures become RGB: only reading every one would show that all are grey.
IMAGE_CHANNELS = 3


@dataclass(frozen=True)
class Streamed(TaskData):
    """Pictures that are read from the user's own files whenever they are needed.

    They lie in `pictures_folder`; `folder` has the lists of them.
    """

    manifest: ListingManifest
    pictures_folder: Path = field(kw_only=True)

    @property
    def image_channels(self) -> int:
        """Always RGB."""
        return IMAGE_CHANNELS

    @property
    def image_size(self) -> int:
        """The size that every picture is scaled to."""
        return self.task.image_size

    @property
    def summary(self) -> str:
        """Names both folders."""
        return (
            f"{self.n_images('train'):,} training and {self.n_images('test'):,} test pictures, "
            f"{self.n_classes} classes, in {self.pictures_folder}, listed in {self.folder}"
        )

    def check_sizes(self, names: Iterable[str]) -> None:
        """Checks the folders of pictures as well."""
        try:
            check_folders(self.pictures_folder)
        except DataError as error:
            # The list is of no use without them, so the advice is to prepare it.
            raise UnpreparedError(str(error), self.needs) from None
        super().check_sizes(names)

    def files(self, split: Split) -> FileList:
        """Reads and verifies the list of a split; opens no picture.

        Raises:
            UnpreparedError: it is missing or damaged.
        """
        return FileList(*self.arrays(split))

    def pictures(
        self,
        split: Split,
        files: FileList,
        chosen: NDArray[np.int64],
        crops: Sequence[Crop] | None = None,
    ) -> list[PictureFile]:
        """The pictures at positions (n,) of a split's list; without crops their middle is read."""
        folder, classes = str(self.pictures_folder / LISTED[split]), self.manifest.classes
        seen: Sequence[Crop | None] = [None] * len(chosen) if crops is None else crops
        return [
            PictureFile(f"{folder}/{files.path(i, classes)}", n_bytes, crop)
            for i, n_bytes, crop in zip(chosen, files.sizes[chosen].tolist(), seen, strict=True)
        ]


def open_copy(name: str, task: TaskSettings, data_dir: Path, copy: Copy | None) -> TaskData:
    """Opens what `prepare` made of a task's source; reads nothing but sizes.

    Without a copy the first one is opened, which is an error if there is none.

    Raises:
        UnpreparedError: a file is missing, cut off or of another schema.
        DataError: the settings do not fit.
    """
    source = parse_source(task, f"task.{name}.source")
    copy = copy or read_copy(data_dir / source.key, manifest_kind(source))
    folder, manifest, needs = copy.folder, copy.manifest, copy.needs
    if isinstance(manifest, ListingManifest):
        pictures = source.folder(data_dir)
        listed = Streamed(folder, manifest, name, task, pictures_folder=pictures, needs=needs)
        listed.check_sizes(manifest.arrays(*manifest.splits))
        check_streamed_settings(name, task)
        return listed
    assert isinstance(manifest, ArraysManifest)
    data = Prepared(folder, manifest, name, task, needs=needs)
    data.check_sizes(manifest.arrays(*SEEN_BY_A_SEARCH))
    _check_settings(data)
    return data


def _check_settings(data: Prepared) -> None:
    name, task = data.name, data.task
    _check_normalisation(name, task, data.image_channels)
    if data.image_size < (smallest := smallest_image(task.stem)):
        raise DataError(
            f"task.{name}.pool is {task.pool}: images of {data.manifest.image_size} pixels become "
            f"{data.image_size} wide, expected at least {smallest} for a {task.stem} stem"
        )


def check_streamed_settings(name: str, task: TaskSettings) -> None:
    """Raises a DataError for settings that do not fit streamed images."""
    _check_normalisation(name, task, IMAGE_CHANNELS)
    for setting, found, expected in (("pool", task.pool, 1), ("padding", task.padding, 0)):
        if found != expected:
            raise DataError(
                f"task.{name}.{setting} is {found}, expected {expected}: streamed images are cut "
                f"out of their pictures and scaled to task.{name}.image_size"
            )
    if task.image_size < (smallest := smallest_image(task.stem)):
        raise DataError(
            f"task.{name}.image_size is {task.image_size}, expected at least {smallest} for a "
            f"{task.stem} stem"
        )


def _check_normalisation(name: str, task: TaskSettings, image_channels: int) -> None:
    for setting, values in (("mean", task.mean), ("std", task.std)):
        if len(values) not in (1, image_channels):
            expected = f"1, or {image_channels} for its channels" if image_channels > 1 else "1"
            raise DataError(f"task.{name}.{setting} has {len(values)} values, expected {expected}")
