"""Figures of searches, drawn by matplotlib."""

import atexit
import math
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from emtnas_hpc.report.counting import parameters_of
from emtnas_hpc.report.experiments import Searches
from emtnas_hpc.report.search_arrays import (
    TIME_PARTS,
    Band,
    Floats,
    Ledger,
    band_of,
    distinct_chromosomes,
    ledger_of,
    mean_hamming_distance,
    subpopulation_genes,
)
from emtnas_hpc.space import drawing
from emtnas_hpc.space.architecture import N_GENES


def draw_band(
    axes: Axes,
    band: Band,
    colour: str,
    label: str | None = None,
    *,
    style: str = "-",
    scale: float = 1.0,
    spread: bool = True,
) -> None:
    """Draws the mean as a line and one standard deviation to either side as a band."""
    mean, std = scale * band.mean, scale * band.std
    # A line of one point would not show.
    marker = "o" if len(mean) == 1 else ""
    axes.plot(band.generations, mean, style, color=colour, label=label, marker=marker, ms=4)
    if spread and std.any():
        axes.fill_between(band.generations, mean - std, mean + std, color=colour, alpha=0.2, lw=0)


def label_generations(axes: Axes) -> None:
    """The x axis, in whole numbers."""
    axes.set_xlabel("generation")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


#: Role -> colour on light, colour on dark.
ROLES: dict[str, tuple[str, str]] = {
    "ink": (drawing.INK, "#e9e9ee"),
    "faint": (drawing.FAINT, "#8f8f99"),
    "wire": (drawing.WIRE, "#a3afbf"),
    "grid": ("#dcdce2", "#3a3a44"),
    "node": (drawing.NODE, "#2a2a32"),
    "separable": (drawing.FILLS["separable"], "#1f4464"),
    "dilated": (drawing.FILLS["dilated"], "#6b3c17"),
    "pooling": (drawing.FILLS["max_pool"], "#1d5646"),
    "identity": (drawing.FILLS["identity"], "#4a4a55"),
    "series-0": ("#0072b2", "#56a8e0"),
    "series-1": ("#d55e00", "#ff9450"),
    "series-2": ("#009e73", "#3ecfa3"),
    "series-3": ("#b0568f", "#e59cc6"),
}
INK, FAINT, GRID = (ROLES[role][0] for role in ("ink", "faint", "grid"))
SERIES = tuple(light for role, (light, _dark) in ROLES.items() if role.startswith("series"))
#: From the first generation to the last: of one lightness, so that both ends show on any page.
EARLY, MIDDLE, LATE = "#2f7fd0", "#9b78a8", "#e5812a"


# The figures' font, cut down to the letters of Western languages.
#
# Every PDF takes its glyphs out of the whole font anew; out of a twentieth that is a third of the
# time that a page with its figures takes.


#: No other font's, so that both can be there; other letters come from the whole one.
NAME = "emtnas-hpc figures"
_WHOLE = "DejaVu Sans"
_GLYPHS = (*range(0x20, 0x180), 0x2212)
#: Of the name table: the family's, the whole name, the typographic family's.
_NAME_IDS = (1, 4, 16)


@cache
def register_font() -> None:
    """Makes the font known to matplotlib, once a process."""
    # Read again whenever text is drawn; gone when the process is.
    folder = tempfile.TemporaryDirectory(prefix="emtnas-hpc-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "figures.ttf"
    _cut().save(path)
    font_manager.fontManager.addfont(path)


def _cut() -> TTFont:
    font = TTFont(font_manager.findfont(_WHOLE), recalcTimestamp=False)
    options = Options()
    options.name_IDs, options.layout_features = ["*"], []
    options.notdef_outline, options.hinting = True, False
    # It says when the font was made, and would be warned of.
    options.drop_tables += ["FFTM"]
    cutter = Subsetter(options)
    cutter.populate(unicodes=_GLYPHS)
    cutter.subset(font)
    for record in font["name"].names:
        if record.nameID in _NAME_IDS:
            record.string = NAME
    return font


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


def draw_fittest(experiment: Searches) -> Figure:
    """A panel a task: the accuracy that selection saw, and that on the whole validation set."""
    figure, panels = make_panels(len(experiment.tasks), 1.9)
    for task, (axes, name) in enumerate(zip(panels, experiment.tasks, strict=True)):
        true = band_of([trace.true_fitness[:, task] for trace in experiment.traces])
        sampled = band_of([trace.sampled_accuracy[:, task] for trace in experiment.traces])
        draw_band(axes, sampled, SERIES[1], "estimated (one mini-batch)", style="--", scale=100)
        draw_band(axes, true, SERIES[0], "true (whole validation set)", scale=100)
        axes.set_title(name)
        axes.set_ylabel("accuracy (%)")
    legend_above(figure, panels[0])
    label_generations(panels[-1])
    return figure


_STYLES = ("-", "--", "-.", ":")


def draw_diversity(experiment: Searches) -> Figure:
    """Above, different chromosomes of a subpopulation; below, genes in which two of it differ."""
    figure, (distinct, distance) = make_panels(2, 2.0)
    for task, name in enumerate(experiment.tasks):
        genes = [subpopulation_genes(trace, task) for trace in experiment.traces]
        colour, style = SERIES[task % len(SERIES)], _STYLES[task % len(_STYLES)]
        counts = [distinct_chromosomes(g).astype(np.float64) for g in genes]
        draw_band(distinct, band_of(counts), colour, name, style=style)
        distances = [mean_hamming_distance(g) for g in genes]
        draw_band(distance, band_of(distances), colour, name, style=style)
    distinct.set_ylabel("different chromosomes")
    distance.set_ylabel(f"mean distance (of {N_GENES} genes)")
    distinct.yaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (distinct, distance):
        axes.set_ylim(bottom=0)
    legend_above(figure, distinct)
    label_generations(distance)
    return figure


#: More points than this are one picture within the figure, fewer are drawn one by one.
MOST_VECTOR_POINTS = 400
#: Pixels per inch of that picture.
DPI = 130

_TIME = LinearSegmentedColormap.from_list("time", [EARLY, MIDDLE, LATE], N=32)


def draw_sizes(experiment: Searches) -> Figure:
    """A panel a task: every individual of every seed, coloured by generation; incumbents ringed."""
    figure, panels = make_panels(len(experiment.tasks), 2.4)
    for task, (axes, name) in enumerate(zip(panels, experiment.tasks, strict=True)):
        points = _draw_task(axes, experiment, task)
        axes.set_title(name)
        axes.set_ylabel("sampled accuracy (%)")
    panels[-1].set_xlabel("parameters (million)")
    panels[-1].xaxis.set_major_locator(MaxNLocator(5))
    legend_above(figure, panels[0])
    _explain_colours(figure, points, panels)
    return figure


def _explain_colours(figure: Figure, points: PathCollection, panels: list[Axes]) -> None:
    bar = figure.colorbar(points, ax=panels, label="generation of birth", pad=0.02, aspect=30)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    if bar.solids is not None:
        bar.solids.set(rasterized=False, alpha=1.0, edgecolor="face")


def _draw_task(axes: Axes, experiment: Searches, task: int) -> PathCollection:
    shape = experiment.traces[0].header.tasks[task].shape
    chosen = [trace.tasks == task for trace in experiment.traces]
    pairs = list(zip(experiment.traces, chosen, strict=True))
    sizes = [parameters_of(trace.chromosomes[of], shape) / 1e6 for trace, of in pairs]
    accuracies = np.concatenate([100 * trace.accuracies[of] for trace, of in pairs])
    born = np.concatenate([trace.born[of] for trace, of in pairs])
    order = np.argsort(born, kind="stable")
    points = axes.scatter(
        np.concatenate(sizes)[order],
        accuracies[order],
        c=born[order],
        s=9,
        cmap=_TIME,
        lw=0,
        alpha=0.75,
        vmin=1,
        vmax=max(trace.generation for trace in experiment.traces),
        rasterized=len(born) > MOST_VECTOR_POINTS,
    )
    found = [(trace, trace.incumbents[task]) for trace in experiment.traces]
    axes.scatter(
        [parameters_of(trace.chromosomes[[i]], shape)[0] / 1e6 for trace, i in found],
        [100 * trace.accuracies[i] for trace, i in found],
        s=48,
        facecolors="none",
        edgecolors=INK,
        lw=1.4,
        label="incumbent",
    )
    return points


#: Letters of a line, and the room that one takes in bars.
_LETTERS, _LINE = 54, 0.36

#: Seconds of a unit, and up to how many of them the next larger one is not worth it.
_UNITS = ((1.0, "s", 180.0), (60.0, "min", 180.0), (3600.0, "h", 72.0), (86400.0, "d", np.inf))


def draw_times(experiments: Sequence[Searches]) -> Figure:
    """A stacked bar an experiment, mean over seeds of the sum over tasks."""
    totals = [_seconds(experiment) for experiment in experiments]
    longest = max(float(seconds.mean(axis=0).sum()) for seconds in totals)
    unit, name = next((size, unit) for size, unit, most in _UNITS if longest <= most * size)
    labels = [
        _label(experiment, seconds / unit, name)
        for experiment, seconds in zip(experiments, totals, strict=True)
    ]
    # A bar lies as deep as the lines above it need.
    rows = np.cumsum([1 + _LINE * label.count("\n") for label in labels]) - 1
    figure = Figure(figsize=(WIDTH, 0.9 + 0.42 * (rows[-1] + 1)), layout="constrained")
    axes = figure.subplots()
    for row, seconds, text in zip(rows, totals, labels, strict=True):
        left = 0.0
        for part, value in enumerate(seconds.mean(axis=0) / unit):
            label = TIME_PARTS[part] if row == rows[0] else None
            axes.barh(row, value, 0.42, left, color=SERIES[part], label=label)
            left += value
        axes.text(0, row - 0.28, text, va="bottom")
    axes.set(xlabel=f"time ({name}), mean over seeds", yticks=[])
    axes.set_ylim(rows[-1] + 0.4, -0.85)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper left", ncols=len(TIME_PARTS))
    return figure


def _seconds(experiment: Searches) -> Floats:
    """By seed and part, `(n, 3)`."""
    return np.stack([trace.seconds.sum(axis=0) for trace in experiment.traces])


def _label(experiment: Searches, values: Floats, unit: str) -> str:
    """The total: mean, and the sample standard deviation if there is one."""
    totals = values.sum(axis=1)
    decimals = max(0, 2 - math.floor(math.log10(totals.mean() or 1)))
    std = f" ± {totals.std(ddof=1):.{decimals}f}" if len(totals) > 1 else ""
    note = "" if experiment.finished else f", up to generation {experiment.generation}"
    text = f"{experiment.title}: {totals.mean():.{decimals}f}{std} {unit}{note}"
    # Long names have no spaces; they are made of overrides.
    lines = textwrap.wrap(text.replace("+", " +"), _LETTERS)
    return "\n".join(line.replace(" +", "+") for line in lines)


def draw_transfers(experiment: Searches) -> Figure:
    """A panel a task: its children with a parent of each other task, summed up over generations."""
    ledgers = [ledger_of(trace) for trace in experiment.traces]
    n_tasks = len(experiment.tasks)
    figure, panels = make_panels(n_tasks, 1.9)
    for task, axes in enumerate(panels):
        for other in range(n_tasks):
            if other != task:
                _draw_pair(axes, ledgers, (other, task))
        axes.set_title(f"children of {experiment.tasks[task]}")
        axes.set_ylabel("children so far")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_ylim(bottom=0)
    label_generations(panels[-1])
    _explain(figure, experiment.tasks)
    return figure


def _draw_pair(axes: Axes, ledgers: list[Ledger], pair: tuple[int, int]) -> None:
    colour = colour_of(pair[0])
    born = [np.cumsum(ledger.born[:, *pair], dtype=np.float64) for ledger in ledgers]
    entered = [np.cumsum(ledger.entered[:, *pair], dtype=np.float64) for ledger in ledgers]
    draw_band(axes, band_of(born), colour, style="--", spread=False)
    draw_band(axes, band_of(entered), colour)


def colour_of(task: int) -> str:
    """A task keeps its colour from panel to panel."""
    return SERIES[task % len(SERIES)]


def _explain(figure: Figure, tasks: tuple[str, ...]) -> None:
    lines = [
        Line2D([], [], color=colour_of(task), label=f"foreign parent of {name}")
        for task, name in enumerate(tasks)
    ]
    lines.append(Line2D([], [], color=INK, linestyle="--", label="born"))
    lines.append(Line2D([], [], color=INK, label="entered the population"))
    legend_above(figure, lines)
