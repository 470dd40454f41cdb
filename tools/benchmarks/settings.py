"""What a benchmark is told."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

PARTS = ("networks", "augmentation", "breeding", "storage", "status", "report")
#: The settings that each part reads, beside `quick`.
READ_BY: dict[str, tuple[str, ...]] = {
    "networks": (
        *("individuals", "repetitions", "threads", "channels", "image_size", "batch_size"),
    ),
    "augmentation": (),
    "breeding": (),
    **dict.fromkeys(("storage", "status", "report"), ("repetitions", "directory")),
    "device": ("individuals", "device", "precision"),
}
#: What --quick sets.
QUICK: dict[str, Any] = {"individuals": 2, "repetitions": 1}


@dataclass(frozen=True)
class Settings:
    """The command line, resolved."""

    individuals: int = 8
    repetitions: int = 3
    threads: Sequence[int] = (1, 2)
    channels: int = 20
    image_size: int = 32
    batch_size: int = 128
    quick: bool = False
    directory: Path | None = None
    device: str = "cpu"
    precision: Literal["tf32", "fp32"] = "tf32"

    @property
    def is_cifar_scale(self) -> bool:
        """Whether the networks are those of the paper's CIFAR search, for which targets hold."""
        return (self.channels, self.image_size, self.batch_size) == (20, 32, 128)

    def as_json(self, parts: Iterable[str]) -> dict[str, object]:
        """What these parts read of it, but for the directory."""
        read = {"quick", *chain.from_iterable(READ_BY[part] for part in parts)} - {"directory"}
        return {name: value for name, value in asdict(self).items() if name in read}
