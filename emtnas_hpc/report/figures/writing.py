"""Figures as files: an SVG each, PDFs, and one list of what stands below them."""

from collections.abc import Iterator
from pathlib import Path

from emtnas_hpc.report.figures.gallery import Gallery
from emtnas_hpc.store.durable import make_directory
from emtnas_hpc.store.refusals import storage_errors

CAPTIONS_NAME = "captions.md"


def write_gallery(gallery: Gallery, directory: Path) -> list[Path]:
    """Writes all figures; files of these names are replaced.

    What an earlier report drew of other experiments stays: the folder may hold the user's files.

    Returns:
        What was written.

    Raises:
        StorageError: the disk refused.
    """
    make_directory(directory)
    written = []
    for name, content in _files(gallery):
        file = directory / name
        with storage_errors(file):
            file.write_bytes(content)
        written.append(file)
    return written


def _files(gallery: Gallery) -> Iterator[tuple[str, bytes]]:
    captions = []
    for drawing in gallery.drawings:
        yield f"{drawing.name}.svg", drawing.svg.encode()
        if drawing.pdf is not None:
            yield f"{drawing.name}.pdf", drawing.pdf
        captions.append(f"**{drawing.name}** {drawing.caption.text}\n")
    for chapter in gallery.chapters:
        if chapter.cells_pdf is not None:
            yield f"{chapter.experiment.key}-cells.pdf", chapter.cells_pdf
    yield CAPTIONS_NAME, "\n".join(captions).encode()
