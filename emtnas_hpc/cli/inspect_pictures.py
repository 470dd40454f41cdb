"""The incumbents' cells as picture files."""

from pathlib import Path

from emtnas_hpc.history import History
from emtnas_hpc.space.architecture import decode
from emtnas_hpc.space.picture import draw_cell_svg
from emtnas_hpc.store.refusals import storage_errors

_ADVICE = "choose another --svg"


def write_pictures(history: History, directory: Path) -> list[Path]:
    """Writes `<task>-reduction.svg` and `<task>-normal.svg` for every task's incumbent.

    Returns:
        The files.

    Raises:
        StorageError: the disk refused.
    """
    with storage_errors(directory, advice=_ADVICE):
        directory.mkdir(parents=True, exist_ok=True)
    written = []
    for task, header in enumerate(history.header.tasks):
        incumbent = history.incumbent(task)
        architecture = decode(incumbent.chromosome)
        for kind, cell in (("reduction", architecture.reduction), ("normal", architecture.normal)):
            file = directory / f"{header.name}-{kind}.svg"
            title = f"{kind.capitalize()} cell of {header.name}: individual {incumbent.id}"
            with storage_errors(file, advice=_ADVICE):
                file.write_text(draw_cell_svg(cell, title), encoding="utf-8")
            written.append(file)
    return written
