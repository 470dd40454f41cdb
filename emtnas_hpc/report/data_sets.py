"""Which data set a task is, whatever it was called, and how tables name it."""

from dataclasses import dataclass

#: As the paper's column headings have them.
_HEADINGS = {
    "cifar10": "C-10",
    "cifar100": "C-100",
    "pathmnist": "Path",
    "organamnist": "Organ_A",
    "organcmnist": "Organ_C",
    "organsmnist": "Organ_S",
    "imagenet": "ImageNet",
}
#: MedMNIST's others, as the paper shortens its own.
_MEDICAL = {
    "bloodmnist": "Blood",
    "breastmnist": "Breast",
    "chestmnist": "Chest",
    "dermamnist": "Derma",
    "octmnist": "OCT",
    "pneumoniamnist": "Pneumonia",
    "retinamnist": "Retina",
    "tissuemnist": "Tissue",
}
_TORCHVISION = {"CIFAR10": "cifar10", "CIFAR100": "cifar100"}


@dataclass(frozen=True)
class Source:
    """Where images come from: `torchvision:CIFAR10` is kind and name."""

    kind: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "Source":
        """Reads a task's source; of a path only the last part is kept."""
        kind, _, name = text.partition(":")
        return cls(kind, name.rstrip("/").rpartition("/")[2])

    @property
    def official(self) -> str | None:
        """The known data set that this is; None for anybody's own images."""
        if self.kind == "medmnist":
            return self.name.lower()
        return _TORCHVISION.get(self.name) if self.kind == "torchvision" else None


def data_set(task: str, source: Source) -> str:
    """The data set behind a task: a known one by its source, else what the task is called."""
    return source.official or task


def heading(name: str) -> str:
    """A data set's name in a heading."""
    return (_HEADINGS | _MEDICAL).get(name, name)


def is_impostor(task: str, source: Source) -> bool:
    """Whether a task has the name of a data set of the paper, but other images."""
    return task in _HEADINGS and task != "imagenet" and source.official != task


def is_medical(name: str, source: Source) -> bool:
    """Whether it is one of MedMNIST's."""
    return source.kind == "medmnist" or (name in _HEADINGS and name.endswith("mnist"))
