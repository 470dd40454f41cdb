"""What a benchmark is told."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

PARTS = ("networks", "augmentation", "breeding", "storage", "status", "report")


@dataclass(frozen=True)
class Settings:
    """The command line, resolved."""

    individuals: int
    repetitions: int
    threads: tuple[int, ...]
    channels: int
    image_size: int
    batch_size: int
    quick: bool
    directory: Path | None
    device: str = "cpu"
    precision: Literal["tf32", "fp32"] = "tf32"

    @property
    def is_cifar_scale(self) -> bool:
        """Whether the networks are those of the paper's CIFAR search, for which targets hold."""
        return (self.channels, self.image_size, self.batch_size) == (20, 32, 128)

    def as_json(self) -> dict[str, object]:
        """All but the directory."""
        return {name: value for name, value in asdict(self).items() if name != "directory"}
