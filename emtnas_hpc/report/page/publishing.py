"""All that a report consists of besides its tables as text, as files."""

from collections.abc import Sequence
from pathlib import Path

from emtnas_hpc.report.experiments import experiments_of
from emtnas_hpc.report.figures.gallery import Gallery, draw_gallery
from emtnas_hpc.report.figures.searches import searches_of
from emtnas_hpc.report.figures.writing import write_gallery
from emtnas_hpc.report.page.building import build_page
from emtnas_hpc.report.runs import Runs
from emtnas_hpc.report.table import Table
from emtnas_hpc.store.durable import make_directory
from emtnas_hpc.store.refusals import storage_errors

PAGE_NAME = "report.html"
FIGURES_NAME = "figures"


def make_page(runs: Runs, tables: Sequence[Table]) -> str:
    """The page alone, as text."""
    return build_page(runs, tables, _draw(runs, pdf=False))


def publish(runs: Runs, tables: Sequence[Table], output: Path) -> list[Path]:
    """Writes `report.html`, and in `figures/` an SVG and a PDF of every figure.

    Args:
        runs: that are reported.
        tables: made of them.
        output: a folder; files of an earlier report are replaced.

    Returns:
        What was written, the page first.

    Raises:
        StorageError: the disk refused.
    """
    gallery = _draw(runs, pdf=True)
    make_directory(output)
    page = output / PAGE_NAME
    with storage_errors(page):
        page.write_bytes(build_page(runs, tables, gallery).encode(errors="replace"))
    return [page, *write_gallery(gallery, output / FIGURES_NAME)]


def _draw(runs: Runs, *, pdf: bool) -> Gallery:
    return draw_gallery(tuple(map(searches_of, experiments_of(runs.runs))), pdf=pdf)
