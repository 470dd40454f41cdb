"""The incumbents' cells as picture files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.history import History
from emtnas_hpc.space.architecture import Architecture, decode
from emtnas_hpc.space.picture import draw_cell_svg
from emtnas_hpc.store.refusals import storage_errors

_ADVICE = "choose another --svg"


@dataclass(frozen=True)
class Picture:
    """An architecture to draw, how its files' names begin, and whose it is."""

    stem: str
    whose: str
    architecture: Architecture


def pictures_of(history: History) -> list[Picture]:
    """Every task's incumbent, in files that begin with the task."""
    incumbents = [history.incumbent(task) for task in range(len(history.header.tasks))]
    return [
        Picture(header.name, f"{header.name}: individual {found.id}", decode(found.chromosome))
        for header, found in zip(history.header.tasks, incumbents, strict=True)
    ]


def write_pictures(pictures: Sequence[Picture], directory: Path) -> list[Path]:
    """Writes `<stem>-reduction.svg` and `<stem>-normal.svg` of every picture.

    Returns:
        The files.

    Raises:
        StorageError: the disk refused.
    """
    with storage_errors(directory, advice=_ADVICE):
        directory.mkdir(parents=True, exist_ok=True)
    written = []
    for picture in pictures:
        found = picture.architecture
        for kind, cell in (("reduction", found.reduction), ("normal", found.normal)):
            file = directory / f"{picture.stem}-{kind}.svg"
            title = f"{kind.capitalize()} cell of {picture.whose}"
            with storage_errors(file, advice=_ADVICE):
                file.write_text(draw_cell_svg(cell, title), encoding="utf-8")
            written.append(file)
    return written
