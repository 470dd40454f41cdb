"""A picture that somebody is to read."""

from dataclasses import dataclass

from emtnas_hpc.pictures.crop import Crop


@dataclass(frozen=True)
class Picture:
    """A file, and what is to be seen of it.

    Attributes:
        path: of the file.
        n_bytes: that it had when it was listed.
        crop: drawn for training; None shows the middle, for a test.
    """

    path: str
    n_bytes: int
    crop: Crop | None
