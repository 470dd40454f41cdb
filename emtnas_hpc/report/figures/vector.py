"""Figures as SVG and as PDF, the same bytes for the same data."""

import io
import re
from collections.abc import Iterable

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from emtnas_hpc.report.figures.font import NAME
from emtnas_hpc.report.figures.sizes import DPI
from emtnas_hpc.report.figures.style import styled

_CREATOR = "emtnas-hpc"
_PATH = re.compile(r'(?<= d=")[^"]*')
_LONG = re.compile(r"\d+\.\d{3,}")


def svg_text(figure: Figure) -> str:
    """The figure as an SVG document with a transparent background."""
    buffer = io.BytesIO()
    with styled():
        metadata = {"Date": None, "Creator": _CREATOR}
        figure.savefig(buffer, format="svg", metadata=metadata, dpi=DPI)
    # A hundredth of a point is enough, and halves the file.
    text = buffer.getvalue().decode().replace(f"'{NAME}', ", "")
    return _PATH.sub(lambda path: _LONG.sub(lambda n: f"{float(n[0]):.2f}", path[0]), text)


def pdf_bytes(figures: Iterable[Figure]) -> bytes:
    """A PDF with a page a figure; the fonts, which take longest, are in it once."""
    buffer = io.BytesIO()
    metadata = {"CreationDate": None, "Creator": _CREATOR, "Producer": None}
    with styled(), PdfPages(buffer, metadata=metadata) as pages:
        for figure in figures:
            pages.savefig(figure, dpi=DPI)
    return buffer.getvalue()
