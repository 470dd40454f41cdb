"""The data of a task: arrays in memory, or pictures that stay in their files."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.folders import LISTED, FileList, check_folders
from emtnas_hpc.data.images import Images, Split, pool_images
from emtnas_hpc.data.manifest import (
    Contents,
    ListingManifest,
    Manifest,
    array_files,
    check_sizes,
    list_names,
    load_array,
    open_folder,
    read_manifest,
)
from emtnas_hpc.data.picture import Crop, Picture
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.errors import DataError
from emtnas_hpc.settings.experiment import TaskSettings
from emtnas_hpc.space.architecture import MIN_IMAGE_SIZE, StemKind, size_behind_stem


@dataclass(frozen=True)
class Prepared:
    """One task's arrays; nothing but the manifest has been read yet. A `TaskData`.

    Attributes:
        name: of the task.
        folder: the prepared directory.
        manifest: what it says about itself.
        task: how images are pooled, normalised and augmented.
        mend: the command that prepares it anew, for messages.
        note: what its user is to be told, in a line; empty for nothing.
    """

    name: str
    folder: Path
    manifest: Manifest
    task: TaskSettings
    mend: str
    note: str = field(default="", compare=False)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.manifest.classes)

    @property
    def image_channels(self) -> int:
        """1 or 3."""
        return self.manifest.image_channels

    @property
    def image_size(self) -> int:
        """Edge of the square images in pixels, after pooling."""
        return self.manifest.image_size // self.task.pool

    @property
    def stem(self) -> StemKind:
        """Of the networks that see the images."""
        return self.task.stem

    @property
    def multi_label(self) -> bool:
        """Whether labels are (n, n_classes) of zeros and ones."""
        return self.manifest.multi_label

    @property
    def summary(self) -> str:
        """What there is, in a line for the user."""
        n_images, size = self.manifest.n_images, self.manifest.image_size
        converted = f"; {self.manifest.conversion}" if self.manifest.conversion else ""
        return (
            f"{n_images['train']:,} training, {n_images['val']:,} validation and "
            f"{n_images['test']:,} test images of {size}x{size}x{self.image_channels}, "
            f"{self.n_classes} classes, in {self.folder}{converted}"
        )

    def n_images(self, split: Split) -> int:
        """Number of images of a split."""
        return self.manifest.n_images[split]

    @property
    def mean(self) -> tuple[float, ...]:
        """Per channel, of pixel values in [0, 1]."""
        return per_channel(self.task.mean, self.image_channels)

    @property
    def std(self) -> tuple[float, ...]:
        """Per channel, of pixel values in [0, 1]."""
        return per_channel(self.task.std, self.image_channels)

    @property
    def is_streamed(self) -> bool:
        """Never: its images are small enough to be loaded together."""
        return False

    @cached_property
    def digest(self) -> str:
        """SHA-256, hexadecimal, of all that a search sees; the test set has no part in it."""
        return self.manifest.search_digest(self.task.pool)

    @cached_property
    def digest_with_test(self) -> str:
        """SHA-256, hexadecimal, of all images and labels, those of the test set as well.

        From the manifest: the test set itself stays closed.
        """
        return self.manifest.content_digest

    def check_test_set(self) -> None:
        """Looks at the sizes of the test set's files, and opens none of them.

        Raises:
            DataError: one is missing or of another size.
        """
        check_sizes(self.folder, self.manifest, array_files("test"))

    def load(self, split: Split) -> Images:
        """Reads, verifies and pools one split; opens no file of another.

        Raises:
            DataError: a file is missing or damaged.
        """
        with mended_by(self.mend):
            images, labels = (
                load_array(self.folder, self.manifest, name) for name in array_files(split)
            )
        return Images(pool_images(images, self.task.pool), labels)


def per_channel(values: tuple[float, ...], image_channels: int) -> tuple[float, ...]:
    """A single value repeated for every channel; several as they are."""
    return values * image_channels if len(values) == 1 else values


def open_prepared(
    name: str,
    task: TaskSettings,
    data_dir: Path,
    *,
    mend: str,
    folder: Path | None = None,
    note: str = "",
) -> Prepared:
    """Opens the arrays that `prepare` made; reads the manifest and sizes of what a search needs.

    Args:
        name: of the task.
        task: its settings.
        data_dir: where prepared data sets are.
        mend: the command that prepares this one, for messages.
        folder: of the arrays; by default the first that were made of the source.
        note: what the user is to be told.

    Raises:
        DataError: a file is missing, cut off or of another schema, or the settings do not fit.
    """
    folder = folder or data_dir / parse_source(task, f"task.{name}.source").key
    with mended_by(mend):
        manifest = open_folder(folder)
    prepared = Prepared(name, folder, manifest, task, mend, note)
    _check_settings(prepared)
    return prepared


def check_normalisation(name: str, task: TaskSettings, image_channels: int) -> None:
    """Refuses means or deviations that are not as many as the channels.

    Raises:
        DataError: naming the setting.
    """
    for setting, values in (("mean", task.mean), ("std", task.std)):
        if len(values) not in (1, image_channels):
            expected = f"1, or {image_channels} for its channels" if image_channels > 1 else "1"
            raise DataError(f"task.{name}.{setting} has {len(values)} values, expected {expected}")


def _check_settings(prepared: Prepared) -> None:
    name, task = prepared.name, prepared.task
    check_normalisation(name, task, prepared.image_channels)
    left = size_behind_stem(prepared.image_size, task.stem)
    if left < MIN_IMAGE_SIZE:
        behind = "" if task.stem == "plain" else f", and {left} behind a {task.stem} stem"
        raise DataError(
            f"task.{name}.pool is {task.pool}: images of {prepared.manifest.image_size} pixels "
            f"become {prepared.image_size} wide{behind}, expected at least {MIN_IMAGE_SIZE}"
        )


@contextmanager
def mended_by(command: str) -> Iterator[None]:
    """Adds to every DataError of the block the command that makes the data anew."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{error}; make it anew with: {command}") from None


class TaskData(Protocol):
    """One task's data, `Prepared` or `Streamed`; no image has been read yet."""

    @property
    def name(self) -> str:
        """Of the task."""

    @property
    def manifest(self) -> Contents:
        """What the prepared directory says about itself."""

    @property
    def task(self) -> TaskSettings:
        """Its settings."""

    @property
    def mend(self) -> str:
        """The command that prepares it anew, for messages."""

    @property
    def note(self) -> str:
        """What the user is to be told of it, in a line; empty for nothing."""

    @property
    def n_classes(self) -> int:
        """Number of classes."""

    @property
    def image_channels(self) -> int:
        """1 or 3."""

    @property
    def image_size(self) -> int:
        """Edge of the square images in pixels, as a network sees them."""

    @property
    def stem(self) -> StemKind:
        """Of the networks that see the images."""

    @property
    def multi_label(self) -> bool:
        """Whether labels are (n, n_classes) of zeros and ones."""

    @property
    def is_streamed(self) -> bool:
        """Whether images are read from the user's own files whenever they are needed."""

    @property
    def mean(self) -> tuple[float, ...]:
        """Per channel, of pixel values in [0, 1]."""

    @property
    def std(self) -> tuple[float, ...]:
        """Per channel, of pixel values in [0, 1]."""

    @property
    def digest(self) -> str:
        """SHA-256, hexadecimal, of all that is trained and validated on."""

    @property
    def digest_with_test(self) -> str:
        """The same with the test set, which stays closed."""

    @property
    def summary(self) -> str:
        """What there is, in a line for the user."""

    def n_images(self, split: Split) -> int:
        """Number of images of a split."""

    def check_test_set(self) -> None:
        """Looks whether the test set is there, and opens no image of it.

        Raises:
            DataError: it is not.
        """


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
