"""Loads the mini-batches of a retraining: from the device, or from pictures read meanwhile."""

from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emtnas_hpc.data.batches import Batch, BatchSlot, Normaliser, blanked, place_on_device
from emtnas_hpc.data.dataset import IMAGE_CHANNELS, Prepared, Streamed, TaskData
from emtnas_hpc.data.images import Images, PictureFile, draw_crops
from emtnas_hpc.data.picture_readers import read_batches
from emtnas_hpc.errors import DataError
from emtnas_hpc.retraining.spec import trained_on
from emtnas_hpc.settings.experiment import RetrainingSettings
from emtnas_hpc.supernet.graphs import MiniBatch

Indices: TypeAlias = NDArray[np.int64]
#: Labels of a mini-batch, and the middles of what is blanked in its images.
_Marked: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64] | None]

#: Test images that are measured together; with running statistics no result depends on it.
_CHUNK = 250
#: Likewise of pictures, which are larger.
_PICTURES = 100


class ImageLoader(Protocol):
    """Loads the images of a task as mini-batches on a device.

    A caller that stops in the middle of an iteration closes it.
    """

    def training(
        self, batches: Sequence[Indices], rng: np.random.Generator
    ) -> Generator[MiniBatch, None, None]:
        """Augmented mini-batches, each to be read before the next one is asked for.

        All that is random is drawn from `rng`, one after the other.
        """

    def test(self) -> Generator[Batch, None, None]:
        """Opens the test set: all of it, in order."""


def open_images(data: TaskData, settings: RetrainingSettings, device: torch.device) -> ImageLoader:
    """The loader of a task; it reads training images at once, unless they are streamed.

    Raises:
        DataError: what is read is missing or damaged.
    """
    if isinstance(data, Streamed):
        return StreamedImages(data, settings, device)
    assert isinstance(data, Prepared)
    return ResidentImages(data, settings, device)


class ResidentImages:
    """The images that are trained on, on the device."""

    def __init__(self, data: Prepared, settings: RetrainingSettings, device: torch.device) -> None:
        self._data = data
        self._device = device
        parts = [data.load(split) for split in trained_on(settings)]
        images = np.concatenate([part.images for part in parts])
        labels = np.concatenate([part.labels for part in parts])
        self._images = place_on_device(data, Images(images, labels), device, cutout=settings.cutout)

    def training(
        self, batches: Sequence[Indices], rng: np.random.Generator
    ) -> Generator[MiniBatch, None, None]:
        """Augmented on the device."""
        yield from self._images.queues(batches, rng)

    def test(self) -> Generator[Batch, None, None]:
        """Loads the test set."""
        images = place_on_device(self._data, self._data.load("test"), self._device)
        for chunk in _chunks(len(images), _CHUNK):
            yield images.plain(chunk)


class StreamedImages:
    """Pictures that other processes read and scale; the device normalises and blanks.

    The processes last as long as an iteration: none is left between two steps.
    """

    def __init__(self, data: Streamed, settings: RetrainingSettings, device: torch.device) -> None:
        self._data = data
        self._settings = settings
        self._device = device
        self._files = data.files("train")
        self._normalised = Normaliser(data.mean, data.std, data.image_size, device)
        self._slots: dict[int, BatchSlot] = defaultdict(BatchSlot)

    def training(
        self, batches: Sequence[Indices], rng: np.random.Generator
    ) -> Generator[MiniBatch, None, None]:
        """Random resized crops; drawn here, so that the number of readers changes no bit."""
        cutout, size = self._settings.cutout, self._data.image_size

        def drawn() -> Iterator[tuple[_Marked, list[PictureFile]]]:
            for batch in batches:
                crops = draw_crops(rng, len(batch), self._data.task.flip)
                holes = rng.integers(0, size, (len(batch), 2)) if cutout else None
                pictures = self._data.pictures("train", self._files, batch, crops)
                yield (self._files.labels[batch], holes), pictures

        with closing(self._read(drawn())) as read:
            for (labels, holes), pixels in read:
                if holes is not None:
                    pixels.masked_fill_(blanked(self._move(holes), cutout, size), 0.0)
                slot = self._slots[len(labels)]
                slot.put(pixels.permute(0, 3, 1, 2), self._move(labels))
                yield slot

    def test(self) -> Generator[Batch, None, None]:
        """The middle of every test picture."""
        files = self._data.files("test")

        def pictures() -> Iterator[tuple[_Marked, list[PictureFile]]]:
            for chunk in _chunks(len(files), _PICTURES):
                yield (files.labels[chunk], None), self._data.pictures("test", files, chunk)

        with closing(self._read(pictures())) as read:
            for (labels, _holes), pixels in read:
                yield pixels.permute(0, 3, 1, 2), self._move(labels)

    def _read(
        self, batches: Iterator[tuple[_Marked, list[PictureFile]]]
    ) -> Generator[tuple[_Marked, Tensor], None, None]:
        """Normalised images, (b, h, w, c), with their labels and holes."""
        size, n_readers = self._data.image_size, self._settings.data_workers
        try:
            with closing(read_batches(batches, size, n_readers)) as read:
                for mark, images in read:
                    rows = np.frombuffer(images, np.uint8).reshape(-1, size, size * IMAGE_CHANNELS)
                    yield mark, self._normalised(self._move(rows))
        except DataError as error:
            # A new list would be another data set.
            raise DataError(
                f"{error}; put the picture back as it was, and the same command goes on (`prepare` "
                "lists anew, but what has begun is held to the list that it began with)"
            ) from None

    def _move(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array.copy()).to(self._device, non_blocking=True)


def _chunks(n: int, size: int) -> list[Indices]:
    return [np.arange(first, min(first + size, n)) for first in range(0, n, size)]
