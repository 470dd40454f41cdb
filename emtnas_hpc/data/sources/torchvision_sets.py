"""CIFAR-10 and CIFAR-100 as torchvision reads them."""

import tarfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from emtnas_hpc.data.download import fetch
from emtnas_hpc.data.images import Images
from emtnas_hpc.data.raw import RawData, Workplace
from emtnas_hpc.data.refusals import storage_errors
from emtnas_hpc.errors import DataError

TORCHVISION_SETS = ("CIFAR10", "CIFAR100")


def read_torchvision(name: str, place: Workplace) -> RawData:
    """Reads the official archive, which lies in the data directory or is downloaded to there.

    An archive that the user has unpacked in the data directory is used as it is.

    Raises:
        DataError: it cannot be downloaded, or a checksum is not the official one.
    """
    from torchvision import datasets

    reader = getattr(datasets, name)
    root = place.data_dir
    if not (root / reader.base_folder).is_dir():
        archive = root / reader.filename
        fetch(reader.url, archive, reader.tgz_md5, place.say)
        place.say(f"unpacking {archive}")
        root = place.scratch
        _unpack(archive, root)
    train, test = (_read(reader, root, train=train) for train in (True, False))
    return RawData(_images(train), None, _images(test), tuple(train.classes))


def _unpack(archive: Path, folder: Path) -> None:
    with storage_errors(folder), tarfile.open(archive) as files:
        # Early releases of Python 3.11 have no filters; the archive's checksum is the official one.
        files.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
        files.extractall(folder)


def _read(reader: Any, root: Path, *, train: bool) -> Any:
    with warnings.catch_warnings():
        # The official files were pickled by a numpy whose spelling of a dtype is now deprecated.
        warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
        try:
            return reader(root, train=train)
        except RuntimeError:
            folder = root / reader.base_folder
            raise DataError(
                f"a file in {folder} is missing or has not the official MD5; remove {folder} "
                "and prepare again"
            ) from None


def _images(dataset: Any) -> Images:
    return Images(dataset.data, np.asarray(dataset.targets, np.int64))
