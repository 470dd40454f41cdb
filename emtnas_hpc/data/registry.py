"""The tasks that are known by name. A preset or a user adds others as tables of their own."""

from collections.abc import Mapping
from types import MappingProxyType

from emtnas_hpc.data.sources.medmnist_sets import MEDMNIST_SETS
from emtnas_hpc.experiment.settings import TaskSettings

#: Where left and right mean nothing. The organs' classes tell left from right, and the radiographs
#: and the eyes have sides too.
_FLIPPED = frozenset({"pathmnist", "dermamnist", "bloodmnist", "breastmnist", "tissuemnist"})


def _cifar(name: str) -> TaskSettings:
    """CIFAR as the authors' code has it."""
    return TaskSettings(
        source=f"torchvision:{name}",
        padding=4,
        flip=True,
        mean=(125.3 / 255, 123.0 / 255, 113.9 / 255),
        std=(63.0 / 255, 62.1 / 255, 66.7 / 255),
    )


def _medmnist(name: str, class_name: str) -> TaskSettings:
    return TaskSettings(source=f"medmnist:{class_name}", padding=2, flip=name in _FLIPPED)


#: In the data directory, unless its folder is said to be elsewhere; means of the usual recipes.
_IMAGENET = TaskSettings(
    source="imagenet:imagenet",
    flip=True,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    image_size=224,
    stem="strided",
)

REGISTRY: Mapping[str, TaskSettings] = MappingProxyType(
    {
        "cifar10": _cifar("CIFAR10"),
        "cifar100": _cifar("CIFAR100"),
        **{name: _medmnist(name, class_name) for name, class_name in MEDMNIST_SETS.items()},
        "imagenet": _IMAGENET,
        "mnist5k": TaskSettings(source="package:mnist5k", padding=2),
        "digits": TaskSettings(source="package:digits", padding=2),
    }
)
