"""A study of the smallest searches: two experiments on one data set."""

from pathlib import Path

import numpy as np
from command_line import TINY_SETTINGS

#: The folders of its experiments.
NAMES = ("small", "small+reevaluate=false")


def write_study(folder: Path, *settings: str) -> Path:
    """Writes the study and the experiment that it varies, with more settings, into a folder."""
    sections: dict[str, list[str]] = {}
    for setting in (*TINY_SETTINGS, *settings):
        name, _, value = setting.partition("=")
        section, _, last = name.rpartition(".")
        sections.setdefault(section, []).append(f"{last} = {value}")
    text = "\n".join(sections.pop(""))
    text += "".join(f"\n[{name}]\n" + "\n".join(lines) for name, lines in sections.items())
    (folder / "small.toml").write_text(f'extends = "cifar"\n{text}\n')
    study = folder / "study.toml"
    study.write_text(
        '[[experiments]]\npreset = "small.toml"\n'
        '[[experiments]]\npreset = "small.toml"\nset = ["search.reevaluate=false"]\n'
    )
    return study


def save_images(file: Path) -> None:
    """Writes images of one's own, of the size of the digits and three classes."""
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 60), ("val", 48), ("test", 9)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (n, 8, 8), np.uint8)
        arrays[f"{split}_labels"] = np.arange(n) % 3
    np.savez(file, **arrays)
