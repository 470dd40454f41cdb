"""Figures of searches, drawn by matplotlib."""

import io
import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from emtnas_hpc.report.experiments import Searches
from emtnas_hpc.report.search_arrays import (
    TIME_PARTS,
    Band,
    Floats,
    band_of,
    distinct_chromosomes,
    mean_hamming_distance,
    parameters_of,
    subpopulation_genes,
    transfer_counts,
)
from emtnas_hpc.report.table import list_seeds
from emtnas_hpc.space.architecture import N_GENES
from emtnas_hpc.space.drawing import INK

SERIES = ("#0072b2", "#d55e00", "#009e73", "#b0568f")
_STYLES = ("-", "--", "-.", ":")
#: Of one lightness from the first generation to the last, so that both ends show.
_GENERATIONS = LinearSegmentedColormap.from_list("time", ["#2f7fd0", "#9b78a8", "#e5812a"], N=32)
#: More points than this are one picture within the figure, fewer are drawn one by one.
MOST_VECTOR_POINTS = 400
#: Pixels per inch of that picture.
_DPI = 130
#: Inches; a column of a paper, and legible on a phone held upright.
_WIDTH = 4.2
#: Seconds of a unit, and up to how many of them the next larger one is not worth it.
_UNITS = ((1.0, "s", 180.0), (60.0, "min", 180.0), (3600.0, "h", 72.0), (86400.0, "d", np.inf))
#: Letters of a line above a bar, and the room that one takes in bars.
_LETTERS, _LINE = 54, 0.36

_RC: dict[Any, object] = {
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
    "grid.color": "#dcdce2",
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
    # Text that can be searched, and the same bytes every time.
    "svg.fonttype": "none",
    "svg.hashsalt": "emtnas-hpc",
}
_PATH = re.compile(r'(?<= d=")[^"]*')
_LONG = re.compile(r"\d+\.\d{3,}")
#: A supernet's accuracy says how a search went; it must not be taken for more.
_SHARED = "with the weights that all architectures share, so it ranks no settings"


@dataclass(frozen=True)
class Plot:
    """A figure with its words: a title, what is shown, and what can be seen in it, with numbers."""

    figure: Figure
    title: str
    text: str
    alt: str


@contextmanager
def styled() -> Iterator[None]:
    """Within it figures look like ours; both drawing and saving have to be."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield


def as_svg(figure: Figure) -> str:
    """The figure as an SVG document with a transparent background."""
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": "emtnas-hpc"}
    figure.savefig(buffer, format="svg", metadata=metadata, dpi=_DPI)
    # A hundredth of a point is enough, and halves the file.
    text = buffer.getvalue().decode()
    return _PATH.sub(lambda path: _LONG.sub(lambda n: f"{float(n[0]):.2f}", path[0]), text)


def plot_fittest(searches: Searches) -> Plot:
    """A panel a task: the accuracy that selection saw, and that on the whole validation set."""
    figure, panels = _panels(len(searches.tasks), 1.9)
    ends = []
    for task, (axes, name) in enumerate(zip(panels, searches.tasks, strict=True)):
        true = band_of([100 * trace.true_fitness[:, task] for trace in searches.traces])
        sampled = band_of([100 * trace.sampled_accuracy[:, task] for trace in searches.traces])
        _draw_band(axes, sampled, SERIES[1], "estimated (one mini-batch)", style="--")
        _draw_band(axes, true, SERIES[0], "true (whole validation set)")
        axes.set_title(name)
        axes.set_ylabel("accuracy (%)")
        if len(true.mean):
            ends.append(f"{name} from {true.mean[0]:.1f} % to {true.mean[-1]:.1f} %")
    _legend_above(figure, panels[0])
    _label_generations(panels[-1])
    return Plot(
        figure,
        "Fittest individual",
        f"Validation accuracy of the fittest individual, measured {_SHARED}. "
        f"{_mode(searches)} {_over_seeds(searches)}",
        f"Lines by generation. True accuracy goes for {', '.join(ends) or 'no task: unmeasured'}.",
    )


def plot_transfers(searches: Searches) -> Plot:
    """A panel a task: its children with a parent of each other task, summed up over generations."""
    counts = [transfer_counts(trace) for trace in searches.traces]
    tasks = range(len(searches.tasks))
    figure, panels = _panels(len(tasks), 1.9)
    for task, axes in enumerate(panels):
        for other in (other for other in tasks if other != task):
            for which, style in enumerate(("--", "-")):
                curves = [np.cumsum(count[which][:, other, task]) for count in counts]
                band = band_of([curve.astype(np.float64) for curve in curves])
                _draw_band(axes, band, _colour(other), style=style, spread=style == "-")
        axes.set_title(f"children of {searches.tasks[task]}")
        axes.set_ylabel("children so far")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_ylim(bottom=0)
    _label_generations(panels[-1])
    lines = [
        Line2D([], [], color=_colour(task), label=f"foreign parent of {searches.tasks[task]}")
        for task in tasks
    ]
    lines.append(Line2D([], [], color=INK, linestyle="--", label="born"))
    lines.append(Line2D([], [], color=INK, label="entered the population"))
    _legend_above(figure, lines)
    born, entered = (sum(count[which].sum(axis=0) for count in counts) for which in (0, 1))
    own = np.eye(len(tasks), dtype=bool)
    foreign = _share(int(entered[~own].sum()), int(born[~own].sum()))
    others = _share(int(entered[own].sum()), int(born[own].sum()))
    return Plot(
        figure,
        "Transfer between tasks",
        f"Of children with a parent of another task {foreign} survived their first selection, of "
        f"those without one {others}. {_over_seeds(searches)}",
        f"Rising lines. {foreign} of children with a foreign parent entered the population.",
    )


def plot_diversity(searches: Searches) -> Plot:
    """Above, different chromosomes of a subpopulation; below, genes in which two of it differ."""
    figure, (distinct, distance) = _panels(2, 2.0)
    ends = []
    for task, name in enumerate(searches.tasks):
        genes = [subpopulation_genes(trace, task) for trace in searches.traces]
        style = _STYLES[task % len(_STYLES)]
        counts = band_of([distinct_chromosomes(g).astype(np.float64) for g in genes])
        distances = band_of([mean_hamming_distance(g) for g in genes])
        _draw_band(distinct, counts, _colour(task), name, style=style)
        _draw_band(distance, distances, _colour(task), name, style=style)
        ends.append(f"{name} from {distances.mean[0]:.1f} to {distances.mean[-1]:.1f}")
    distinct.set_ylabel("different chromosomes")
    distance.set_ylabel(f"mean distance (of {N_GENES} genes)")
    distinct.yaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (distinct, distance):
        axes.set_ylim(bottom=0)
    _legend_above(figure, distinct)
    _label_generations(distance)
    return Plot(
        figure,
        "Diversity",
        "Above, different chromosomes in each subpopulation; below, genes in which two of its "
        f"individuals differ, mean over all pairs. {_over_seeds(searches)}",
        f"Lines by generation. The mean distance goes for {', '.join(ends)} genes.",
    )


def plot_sizes(searches: Searches) -> Plot:
    """A panel a task: every individual of every seed, coloured by generation; incumbents ringed."""
    figure, panels = _panels(len(searches.tasks), 2.4)
    for task, (axes, name) in enumerate(zip(panels, searches.tasks, strict=True)):
        points = _draw_individuals(axes, searches, task)
        axes.set_title(name)
        axes.set_ylabel("sampled accuracy (%)")
    panels[-1].set_xlabel("parameters (million)")
    panels[-1].xaxis.set_major_locator(MaxNLocator(5))
    _legend_above(figure, panels[0])
    bar = figure.colorbar(points, ax=panels, label="generation of birth", pad=0.02, aspect=30)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    if bar.solids is not None:
        bar.solids.set(rasterized=False, alpha=1.0, edgecolor="face")
    n = sum(len(trace.tasks) for trace in searches.traces)
    return Plot(
        figure,
        "Size and accuracy",
        f"All {n:,} individuals: parameters of the search's network (output slices in use) and "
        f"accuracy on one validation mini-batch, {_SHARED}. Ringed: each seed's incumbent. "
        f"{_mode(searches)} {_which_seeds(searches)}",
        f"Scatter plot of {n:,} individuals, coloured by generation of birth.",
    )


def _draw_individuals(axes: Axes, searches: Searches, task: int) -> PathCollection:
    shape = searches.traces[0].header.tasks[task].shape
    chosen = [(trace, trace.tasks == task) for trace in searches.traces]
    sizes = [parameters_of(trace.chromosomes[of], shape) / 1e6 for trace, of in chosen]
    accuracies = np.concatenate([100 * trace.accuracies[of] for trace, of in chosen])
    born = np.concatenate([trace.born[of] for trace, of in chosen])
    order = np.argsort(born, kind="stable")
    points = axes.scatter(
        np.concatenate(sizes)[order],
        accuracies[order],
        c=born[order],
        s=9,
        cmap=_GENERATIONS,
        lw=0,
        alpha=0.75,
        vmin=1,
        vmax=max(trace.generation for trace in searches.traces),
        rasterized=len(born) > MOST_VECTOR_POINTS,
    )
    found = [(trace, trace.incumbents[task]) for trace in searches.traces]
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


def plot_times(experiments: Sequence[Searches]) -> Plot:
    """A stacked bar an experiment, mean over seeds of the sum over tasks."""
    totals = [
        np.stack([trace.seconds.sum(axis=0) for trace in searches.traces])
        for searches in experiments
    ]
    means = [seconds.mean(axis=0) for seconds in totals]
    longest = int(np.argmax([mean.sum() for mean in means]))
    most = means[longest].sum()
    unit, name = next((size, unit) for size, unit, limit in _UNITS if most <= limit * size)
    labels = [
        _bar_label(searches, seconds.sum(axis=1) / unit, name)
        for searches, seconds in zip(experiments, totals, strict=True)
    ]
    # A bar lies as deep as the lines above it need.
    rows = np.cumsum([1 + _LINE * label.count("\n") for label in labels]) - 1
    figure = Figure(figsize=(_WIDTH, 0.9 + 0.42 * (rows[-1] + 1)), layout="constrained")
    axes = figure.subplots()
    for row, mean, text in zip(rows, means, labels, strict=True):
        left = 0.0
        for part, value in enumerate(mean / unit):
            label = TIME_PARTS[part] if row == rows[0] else None
            axes.barh(row, value, 0.42, left, color=SERIES[part], label=label)
            left += value
        axes.text(0, row - 0.28, text, va="bottom")
    axes.set(xlabel=f"time ({name}), mean over seeds", yticks=[])
    axes.set_ylim(rows[-1] + 0.4, -0.85)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper left", ncols=len(TIME_PARTS))
    shares = ", ".join(
        f"{part} {100 * value / most:.0f} %"
        for part, value in zip(TIME_PARTS, means[longest], strict=True)
    )
    which = [f"{e.title} {list_seeds(e.diverged)}" for e in experiments if e.diverged]
    diverged = f" Diverged and left out, unless all did: {'; '.join(which)}." if which else ""
    return Plot(
        figure,
        "Where the time went",
        "Wall clock of sampled training, sampled evaluation and the search itself (breeding, "
        "re-evaluation, selection), summed over tasks; mean ± sample standard deviation over the "
        f"seeds; without queueing, repeated steps and true fitness.{diverged}",
        f"A stacked bar for each experiment. The longest, {experiments[longest].title}: {shares}.",
    )


def _bar_label(searches: Searches, totals: Floats, unit: str) -> str:
    """The total: mean, and the sample standard deviation if there is one."""
    decimals = max(0, 2 - math.floor(math.log10(totals.mean() or 1)))
    std = f" ± {totals.std(ddof=1):.{decimals}f}" if len(totals) > 1 else ""
    note = "" if searches.finished else f", up to generation {searches.generation}"
    text = f"{searches.title}: {totals.mean():.{decimals}f}{std} {unit}{note}"
    # Long names have no spaces; they are made of overrides.
    lines = textwrap.wrap(text.replace("+", " +"), _LETTERS)
    return "\n".join(line.replace(" +", "+") for line in lines)


def _panels(n: int, height: float) -> tuple[Figure, list[Axes]]:
    """Panels of so many inches above each other, with one x axis."""
    figure = Figure(figsize=(_WIDTH, height * n + 0.7), layout="constrained")
    axes = figure.subplots(n, 1, sharex=True, squeeze=False)
    return figure, list(axes[:, 0])


def _draw_band(
    axes: Axes,
    band: Band,
    colour: str,
    label: str | None = None,
    *,
    style: str = "-",
    spread: bool = True,
) -> None:
    """The mean as a line and one standard deviation to either side as a band."""
    # A line of one point would not show.
    marker = "o" if len(band.mean) == 1 else ""
    axes.plot(band.generations, band.mean, style, color=colour, label=label, marker=marker, ms=4)
    if spread and band.std.any():
        low, high = band.mean - band.std, band.mean + band.std
        axes.fill_between(band.generations, low, high, color=colour, alpha=0.2, lw=0)


def _label_generations(axes: Axes) -> None:
    axes.set_xlabel("generation")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _legend_above(figure: Figure, what: Axes | Sequence[Artist]) -> None:
    """A legend above all panels, where it hides nothing, in rows of two."""
    handles = what.get_legend_handles_labels()[0] if isinstance(what, Axes) else list(what)
    figure.legend(handles=handles, loc="outside upper left", ncols=2, handlelength=2.6)


def _colour(task: int) -> str:
    """A task keeps its colour from panel to panel."""
    return SERIES[task % len(SERIES)]


def _mode(searches: Searches) -> str:
    return f"Batch-norm mode {searches.traces[0].header.batch_norm}."


def _over_seeds(searches: Searches) -> str:
    if len(searches.traces) == 1:
        return _which_seeds(searches)
    return f"Mean and sample standard deviation. {_which_seeds(searches)}"


def _which_seeds(searches: Searches) -> str:
    text = f"{searches.seed_text.capitalize()}."
    if not searches.finished:
        text += f" Not finished: shown up to generation {searches.generation}."
    if searches.left_out:
        text += f" Not finished and left out: {list_seeds(searches.left_out)}."
    if searches.diverged == searches.seeds:
        text += " The training loss of all of them diverged: what follows on it is noise."
    elif searches.diverged:
        text += f" Diverged and left out: {list_seeds(searches.diverged)}."
    return text


def _share(part: int, whole: int) -> str:
    percent = f" ({100 * part / whole:.0f} %)" if whole else ""
    return f"{part:,} of {whole:,}{percent}"
