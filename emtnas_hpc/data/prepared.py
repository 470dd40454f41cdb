"""A prepared data set: arrays on disk that numpy alone can read, each with its SHA-256."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from emtnas_hpc.data.images import Images, Split, pool_images
from emtnas_hpc.data.manifest import (
    Manifest,
    array_files,
    check_sizes,
    load_array,
    open_folder,
)
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.errors import DataError
from emtnas_hpc.experiment.settings import TaskSettings
from emtnas_hpc.space.shape import MIN_IMAGE_SIZE, StemKind, size_behind_stem


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
