"""What a source hands over, and where it may work."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.data.images import Images

#: Takes one line for the user.
Say = Callable[[str], None]


@dataclass(frozen=True)
class RawData:
    """The arrays of a source; `val` and `test` are None where it brings none.

    Attributes:
        train: the images to train on.
        val: the images to validate on.
        test: the images to test on.
        classes: names of the classes, in the order of their numbers.
        conversion: how pixel values were brought to 0..255, in words; empty where they are as in
            the source.
        notes: lines for the user, of what was left out or taken for something else.
    """

    train: Images
    val: Images | None
    test: Images | None
    classes: tuple[str, ...]
    conversion: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Workplace:
    """Where a source finds and leaves files.

    Attributes:
        data_dir: holds downloaded files under their official names.
        scratch: an existing directory that is removed once the source has been read.
        say: told what takes long.
    """

    data_dir: Path
    scratch: Path
    say: Say
