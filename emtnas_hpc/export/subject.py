"""What is exported: an architecture in its frame, and what the file will say of it."""

import hashlib
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from keyword import iskeyword

from emtnas_hpc.space.architecture import Architecture
from emtnas_hpc.space.shape import NetworkShape

_LONGEST_NAME = 64
_OF_TORCH = (
    *("PIL", "emtnas_hpc", "filelock", "fsspec", "jinja2", "matplotlib", "networkx", "numpy"),
    *("onnx", "onnxscript", "pandas", "psutil", "scipy", "sympy", "torch", "torchaudio"),
    *("torchvision", "tqdm", "triton", "typing_extensions", "yaml"),
)
#: Whatever is installed here, so that a network is called the same everywhere.
_PYTHONS_OR_TORCHS = frozenset(_OF_TORCH).union(sys.stdlib_module_names)


@dataclass(frozen=True)
class Normalisation:
    """How pixels become what a network reads.

    Attributes:
        mean: per channel, of pixel values in [0, 1].
        std: likewise.
        pool: images are average-pooled by this factor before.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    pool: int = 1


@dataclass(frozen=True)
class Subject:
    """One network to export.

    Attributes:
        name: of the module, and of the files that go with it.
        architecture: of the network.
        shape: of the network.
        facts: what the module's first lines say of it, each a label and a text.
        normalisation: of the images; None where nobody has said.
        trained: whether a weights file goes with it.
    """

    name: str
    architecture: Architecture
    shape: NetworkShape
    facts: tuple[tuple[str, str], ...] = ()
    normalisation: Normalisation | None = None
    trained: bool = False


def module_name(text: str) -> str:
    """A name that Python can import: `digits-n2-quick+epochs=1` is `digits_n2_quick_epochs_1`.

    It is no other module's: in its folder an exported `torch.py` would be what it imports itself,
    and a `typing.py` what torch does.
    """
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
    if not name[:1].isalpha() or iskeyword(name) or name in _PYTHONS_OR_TORCHS:
        name = f"network_{name}".rstrip("_")
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - len(digest) - 1]}_{digest}"


def is_taken(name: str) -> bool:
    """Whether another module is called so: of Python, of what is installed, or of torch's."""
    return name in _taken_names()


@cache
def _taken_names() -> frozenset[str]:
    return _PYTHONS_OR_TORCHS.union(packages_distributions())
