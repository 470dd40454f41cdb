"""What every task's data says of itself, however its images are kept."""

from typing import Protocol

from emtnas_hpc.data.images import Split
from emtnas_hpc.data.manifest import Contents
from emtnas_hpc.experiment.settings import TaskSettings
from emtnas_hpc.space.shape import StemKind


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
