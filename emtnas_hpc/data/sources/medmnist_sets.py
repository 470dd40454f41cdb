"""The 2D MedMNIST sets at 28x28, with their official splits and checksums."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from emtnas_hpc.data.download import fetch
from emtnas_hpc.data.raw import RawData, Workplace
from emtnas_hpc.data.sources.npz_file import read_npz

#: The name of a set in lower case, and the name of its class in the package medmnist.
MEDMNIST_SETS: Mapping[str, str] = MappingProxyType(
    {
        name.lower(): name
        for name in (
            "PathMNIST",
            "ChestMNIST",
            "DermaMNIST",
            "OCTMNIST",
            "PneumoniaMNIST",
            "RetinaMNIST",
            "BreastMNIST",
            "BloodMNIST",
            "TissueMNIST",
            "OrganAMNIST",
            "OrganCMNIST",
            "OrganSMNIST",
        )
    }
)


def read_medmnist(class_name: str, place: Workplace) -> RawData:
    """Reads the official file, which is `<data>/<name>.npz` or is downloaded to there.

    Raises:
        DataError: it cannot be downloaded, or its MD5 is not the official one.
    """
    from medmnist import INFO

    name = class_name.lower()
    info: dict[str, Any] = INFO[name]
    path = place.data_dir / f"{name}.npz"
    fetch(info["url"], path, info["MD5"], place.say)
    classes = tuple(info["label"][str(number)] for number in range(len(info["label"])))
    return read_npz(path, classes, multi_label=info["task"].startswith("multi-label"))


def medmnist_task(class_name: str) -> str:
    """What medmnist calls the task of a set: `binary-class`, `multi-class` and so on."""
    from medmnist import INFO

    return str(INFO[class_name.lower()]["task"])
