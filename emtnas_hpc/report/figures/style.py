"""How figures look, without touching what the process has set for its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emtnas_hpc.report.figures.font import NAME, register_font
from emtnas_hpc.report.figures.palette import GRID, INK

#: Inches; a column of a paper, and legible on a phone held upright.
WIDTH = 4.2

_RC: dict[Any, object] = {
    "font.family": [NAME, "sans-serif"],
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.5,
    "savefig.facecolor": "none",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    # Text that can be searched and takes the page's font, and the same bytes every time.
    "svg.fonttype": "none",
    "svg.hashsalt": "emtnas-hpc",
    "pdf.fonttype": 42,
}


@contextmanager
def styled() -> Iterator[None]:
    """Within it figures look like ours; both drawing and saving have to be."""
    register_font()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def make_panels(n: int, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of `n` panels of `height` inches above each other, with one x axis."""
    figure = Figure(figsize=(WIDTH, height * n + 0.7), layout="constrained")
    axes = figure.subplots(n, 1, sharex=True, squeeze=False)
    return figure, list(axes[:, 0])


def legend_above(figure: Figure, what: Axes | Sequence[Artist]) -> None:
    """Puts a legend above all panels, where it hides nothing, in rows of two."""
    handles = what.get_legend_handles_labels()[0] if isinstance(what, Axes) else list(what)
    figure.legend(handles=handles, loc="outside upper left", ncols=2, handlelength=2.6)
