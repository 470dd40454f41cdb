from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.errors import DataError
from emtnas_hpc.settings.experiment import TaskSettings


@pytest.mark.parametrize("place", ["mine.npz", "mine.npz/data", "/proc/data"])
def test_a_data_directory_that_cannot_be_made_is_bad_input(npz: Path, place: str) -> None:
    task = TaskSettings(source=f"npz:{npz}")
    with pytest.raises(DataError, match=r"cannot write .*; choose a directory with --data that"):
        prepare("mine", task, npz.parent / place)


def test_a_file_with_too_few_images_is_named(npz: Path, arrays: dict[str, Any]) -> None:
    np.savez(npz, **{key: arrays[key][:6] for key in ("train_images", "train_labels")})
    task = TaskSettings(source=f"npz:{npz}")
    with pytest.raises(DataError, match=r"mine\.npz: training images of class '0' are too few"):
        prepare("mine", task, npz.parent / "data")
