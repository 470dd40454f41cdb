"""Data sets by name: which one a task is, what a heading calls it, and which are MedMNIST's."""

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
_OTHER_MEDICAL = ("Blood", "Breast", "Chest", "Derma", "OCT", "Pneumonia", "Retina", "Tissue")
_MEDICAL = {f"{name.lower()}mnist": name for name in _OTHER_MEDICAL}
_TORCHVISION = {"CIFAR10": "cifar10", "CIFAR100": "cifar100"}


def heading(name: str) -> str:
    """A data set's name in a heading."""
    return (_HEADINGS | _MEDICAL).get(name, name)


def data_set(task: str, source: str) -> str:
    """The data set behind a task: a known one by its source, else what the task is called."""
    return _official(source) or task


def is_impostor(task: str, source: str) -> bool:
    """Whether a task has the name of a data set of the paper, but other images."""
    return task in _HEADINGS and task != "imagenet" and _official(source) != task


def is_medical(name: str, source: str) -> bool:
    """Whether it is one of MedMNIST's."""
    return source.startswith("medmnist:") or (name in _HEADINGS and name.endswith("mnist"))


def _official(source: str) -> str | None:
    """The known data set that a source is; None for anybody's own images."""
    kind, _, name = source.partition(":")
    if kind == "medmnist":
        return name.lower()
    return _TORCHVISION.get(name) if kind == "torchvision" else None
