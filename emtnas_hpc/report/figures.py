"""Figures of searches: each is drawn by one function from a frame of `search_frames`."""

import io
import math
import re
import textwrap
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from PIL import Image

from emtnas_hpc.report.search_frames import TIME_PARTS
from emtnas_hpc.report.stats import LEVEL
from emtnas_hpc.report.table import Row, Table, TableCell
from emtnas_hpc.space.architecture import N_GENES
from emtnas_hpc.space.drawing import INK

SERIES = ("#0072b2", "#d55e00", "#009e73", "#b0568f")
_STYLES = ("-", "--", "-.", ":")
#: Of one lightness from the first generation to the last, so that both ends show.
_GENERATIONS = LinearSegmentedColormap.from_list("time", ["#2f7fd0", "#9b78a8", "#e5812a"], N=32)
#: More points than this are one picture within the figure, as each takes 200 bytes by itself.
MOST_VECTOR_POINTS = 100
#: Pixels per inch of that picture, and its colours: as good as thousands, at a quarter of the size.
_DPI, _COLOURS = 200, 256
#: Inches; a column of a paper, and legible on a phone held upright.
_WIDTH = 4.2
#: Seconds of a unit, and up to how many of them the next larger one is not worth it.
_UNITS = ((1.0, "s", 180.0), (60.0, "min", 180.0), (3600.0, "h", 72.0), (86400.0, "d", np.inf))
#: Letters of a line above a bar, and the room that one takes in bars.
_LETTERS, _LINE = 54, 0.36
#: Letters of a legend's line: less, as a piece of line goes before them.
_LEGEND_LETTERS = 46

_RC: dict[Any, object] = {
    "font.size": 9.0,
    # Matplotlib names a dozen at every text; these are as wide.
    "font.sans-serif": ["DejaVu Sans", "Verdana"],
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
_TAG, _GAP = re.compile(r"<[^>]+>"), re.compile(r">\s+<")
_LONG = re.compile(r"\d+\.\d{3,}")
_PICTURE = re.compile(r'(?<=data:image/png;base64,)[^"]*')
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
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=metadata, dpi=_DPI)
    text = buffer.getvalue().decode()
    # Numbers in texts stay as they are.
    text = _TAG.sub(lambda tag: _shortened(tag[0]), text[text.index("<svg") :])
    return _GAP.sub(">\n<", text)


def _shortened(tag: str) -> str:
    """A hundredth of a point is enough."""
    tag = _LONG.sub(lambda number: f"{float(number[0]):.2f}", " ".join(tag.split()))
    return _PICTURE.sub(lambda picture: _with_few_colours(picture[0]), tag)


def _with_few_colours(picture: str) -> str:
    buffer = io.BytesIO()
    image = Image.open(io.BytesIO(b64decode(picture)))
    few = image.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE)
    few.save(buffer, "png", optimize=True)
    return b64encode(buffer.getvalue()).decode()


def plot_fittest(generations: pd.DataFrame) -> Plot:
    """A panel a task: the accuracy that selection saw, and that on the whole validation set."""
    tasks = generations.attrs["tasks"]
    figure, panels = _panels(len(tasks), 1.9)
    ends = []
    for axes, name in zip(panels, tasks, strict=True):
        lines = generations[generations.task == name]
        sampled, true = _band(_by_seed(lines, "sampled")), _band(_by_seed(lines, "true"))
        _draw_band(axes, sampled, SERIES[1], "estimated (one mini-batch)", style="--")
        _draw_band(axes, true, SERIES[0], "true (whole validation set)")
        axes.set_title(_broken(name))
        axes.set_ylabel("accuracy (%)")
        if len(true):
            means = true["mean"]
            ends.append(f"{name} from {means.iloc[0]:.1f} % to {means.iloc[-1]:.1f} %")
    _legend_above(figure, panels[0])
    return Plot(
        figure,
        "Fittest individual",
        f"Validation accuracy of the fittest individual, measured {_SHARED}. "
        f"{generations.attrs['batch_norm']} {_over_seeds(generations)}",
        f"Lines by generation. True accuracy goes for {', '.join(ends) or 'no task: unmeasured'}.",
    )


def plot_transfers(individuals: pd.DataFrame) -> Plot:
    """A panel a task: its children with a parent of each other task, summed up over generations."""
    tasks = individuals.attrs["tasks"]
    figure, panels = _panels(len(tasks), 1.9)
    children = individuals[individuals.foreign != ""]
    newest = individuals.groupby("seed").generation.max()

    def so_far(lines: pd.DataFrame) -> pd.DataFrame:
        counts = pd.crosstab(lines.generation, lines.seed)
        every = range(1, newest.min() + 1)
        return counts.reindex(index=every, columns=newest.index, fill_value=0).cumsum()

    for axes, name in zip(panels, tasks, strict=True):
        for task, other in enumerate(tasks):
            born = children[(children.task == name) & (children.foreign == other)]
            if other != name:
                _draw_band(axes, _band(so_far(born)), _colour(task), style="--", spread=False)
                _draw_band(axes, _band(so_far(born[born.entered])), _colour(task))
        axes.set_title(_broken(f"children of {name}"))
        axes.set_ylabel("children so far")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_ylim(bottom=0)
    handles = [
        Line2D([], [], color=_colour(task), label=f"foreign parent of {name}")
        for task, name in enumerate(tasks)
    ]
    handles.append(Line2D([], [], color=INK, linestyle="--", label="born"))
    handles.append(Line2D([], [], color=INK, label="entered the population"))
    _legend_above(figure, handles)
    is_foreign = children.foreign != children.task
    foreign, own = (_share(children.entered[chosen]) for chosen in (is_foreign, ~is_foreign))
    return Plot(
        figure,
        "Transfer between tasks",
        f"Of children with a parent of another task {foreign} survived their first selection, of "
        f"those without one {own}. {_over_seeds(individuals)}",
        f"Rising lines. {foreign} of children with a foreign parent entered the population.",
    )


def plot_diversity(generations: pd.DataFrame) -> Plot:
    """Above, different chromosomes of a subpopulation; below, genes in which two of it differ."""
    figure, (distinct, distance) = _panels(2, 2.0)
    ends = []
    for task, name in enumerate(generations.attrs["tasks"]):
        lines = generations[generations.task == name]
        style = _STYLES[task % len(_STYLES)]
        distances = _band(_by_seed(lines, "distance"))
        _draw_band(distinct, _band(_by_seed(lines, "distinct")), _colour(task), name, style=style)
        _draw_band(distance, distances, _colour(task), name, style=style)
        means = distances["mean"]
        ends.append(f"{name} from {means.iloc[0]:.1f} to {means.iloc[-1]:.1f}")
    distinct.set_ylabel("different chromosomes")
    distance.set_ylabel(f"mean distance (of {N_GENES} genes)")
    distinct.yaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (distinct, distance):
        axes.set_ylim(bottom=0)
    _legend_above(figure, distinct)
    return Plot(
        figure,
        "Diversity",
        "Above, different chromosomes in each subpopulation; below, genes in which two of its "
        f"individuals differ, mean over all pairs. {_over_seeds(generations)}",
        f"Lines by generation. The mean distance goes for {', '.join(ends)} genes.",
    )


def plot_sizes(individuals: pd.DataFrame) -> Plot:
    """A panel a task: every individual of every seed, coloured by generation; incumbents ringed."""
    tasks = individuals.attrs["tasks"]
    figure, panels = _panels(len(tasks), 2.4)
    for axes, name in zip(panels, tasks, strict=True):
        found = individuals[individuals.task == name].sort_values("generation", kind="stable")
        points = axes.scatter(
            found.parameters,
            found.accuracy,
            c=found.generation,
            s=9,
            cmap=_GENERATIONS,
            lw=0,
            alpha=0.75,
            vmin=1,
            vmax=individuals.generation.max(),
            rasterized=len(found) > MOST_VECTOR_POINTS,
        )
        ringed = individuals[(individuals.task == name) & individuals.incumbent]
        axes.scatter(
            ringed.parameters,
            ringed.accuracy,
            s=48,
            facecolors="none",
            edgecolors=INK,
            lw=1.4,
            label="incumbent",
        )
        axes.set_title(_broken(name))
        axes.set_ylabel("sampled accuracy (%)")
    panels[-1].set_xlabel("parameters (million)")
    panels[-1].xaxis.set_major_locator(MaxNLocator(5))
    _legend_above(figure, panels[0])
    bar = figure.colorbar(points, ax=panels, label="generation of birth", pad=0.02, aspect=30)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    if bar.solids is not None:
        bar.solids.set(rasterized=False, alpha=1.0, edgecolor="face")
    n = len(individuals)
    return Plot(
        figure,
        "Size and accuracy",
        f"All {n:,} individuals: parameters of the search's network (output slices in use) and "
        f"accuracy on one validation mini-batch, {_SHARED}. Ringed: each seed's incumbent. "
        f"{individuals.attrs['batch_norm']} {individuals.attrs['seeds']}",
        f"Scatter plot of {n:,} individuals, coloured by generation of birth.",
    )


def plot_times(times: pd.DataFrame) -> Plot:
    """A stacked bar an experiment, mean over seeds of the sum over tasks."""
    parts = list(TIME_PARTS)
    means = times.groupby("experiment", sort=False)[parts].mean()
    longest = means.sum(axis=1).idxmax()
    most = means.loc[longest].sum()
    unit, name = next((size, unit) for size, unit, limit in _UNITS if most <= limit * size)
    labels = [
        _bar_label(f"{title}", lines[parts].sum(axis=1) / unit, name + lines.note.iloc[0])
        for title, lines in times.groupby("experiment", sort=False)
    ]
    # A bar lies as deep as the lines above it need.
    rows = np.cumsum([1 + _LINE * label.count("\n") for label in labels]) - 1
    figure = Figure(figsize=(_WIDTH, 0.9 + 0.42 * (rows[-1] + 1)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(rows))
    for part, colour in zip(parts, SERIES, strict=False):
        widths = means[part].to_numpy() / unit
        axes.barh(rows, widths, 0.42, left, color=colour, label=part)
        left += widths
    for row, label in zip(rows, labels, strict=True):
        axes.text(0, row - 0.28, label, va="bottom")
    axes.set(xlabel=f"time ({name}), mean over seeds", yticks=[])
    axes.set_ylim(rows[-1] + 0.4, -0.85)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper left", ncols=len(parts))
    shares = ", ".join(f"{part} {100 * means.loc[longest, part] / most:.0f} %" for part in parts)
    diverged = times.attrs["diverged"]
    left_out = f" Diverged and left out, unless all did: {diverged}." if diverged else ""
    return Plot(
        figure,
        "Where the time went",
        "Wall clock of sampled training, sampled evaluation and the search itself (breeding, "
        "re-evaluation, selection), summed over tasks; mean ± sample standard deviation over the "
        f"seeds; without queueing, repeated steps and true fitness.{left_out}",
        f"A stacked bar for each experiment. The longest, {longest}: {shares}.",
    )


def plot_contrasts(table: Table) -> Plot:
    """A forest plot: the differences of a table of contrasts, times in a panel of their own."""
    lines = pd.DataFrame([map(_mean, row.cells) for row in table.rows])
    lines.columns = pd.Index([column.key for column in table.columns])
    labels = [_forest_label(row) for row in table.rows]
    lines = lines.assign(label=labels, time=[not row.labels[3] for row in table.rows])
    groups = [group for _time, group in lines.groupby("time")]
    # A mark lies as deep as the lines above it need.
    depths = [(1 + _LINE * group.label.str.count("\n")).cumsum() for group in groups]
    heights = [0.5 + 0.42 * depth.iloc[-1] for depth in depths]
    figure = Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
    panels = figure.subplots(len(groups), squeeze=False, height_ratios=heights)[:, 0]
    for axes, group, rows in zip(panels, groups, depths, strict=True):
        shown = group.q < LEVEL
        axes.axvline(0, color=INK, lw=0.8)
        axes.hlines(rows, group.low, group.high, color=SERIES[0])
        axes.scatter(group.difference, rows, s=22, c=np.where(shown, SERIES[0], "w"), ec=SERIES[0])
        for row, label in zip(rows, group.label, strict=True):
            axes.text(0, row - 0.28, label, va="bottom", transform=axes.get_yaxis_transform())
        axes.set(xlabel="change of time (%)" if group.time.any() else "difference (points)")
        axes.set(yticks=[], ylim=(rows.iloc[-1] + 0.4, rows.iloc[0] - 1.0))
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False, axis="y")
    n = int((lines.q < LEVEL).sum())
    return Plot(
        figure,
        "Contrasts",
        "Differences with their 95 % intervals; filled where q is below 0.05, within its claim.",
        f"A mark with an interval for each of {len(lines)} contrasts; of {n} q is below 0.05.",
    )


def _forest_label(row: Row) -> str:
    claim, contrast, searched, data_set, depth = row.labels
    what = [f"{claim}: {data_set or searched}", f"N = {depth}" if depth else ""]
    if data_set not in ("", searched):
        what.append(f"searched on {searched}")
    return "\n".join(map(_broken, (", ".join(filter(None, what)), contrast)))


def _mean(cell: TableCell) -> float:
    return math.nan if cell.estimate is None else cell.estimate.mean


def _bar_label(title: str, totals: "pd.Series[float]", unit: str) -> str:
    """The total: mean, and the sample standard deviation if there is one."""
    decimals = max(0, 2 - math.floor(math.log10(totals.mean() or 1)))
    std = f" ± {totals.std():.{decimals}f}" if len(totals) > 1 else ""
    return _broken(f"{title}: {totals.mean():.{decimals}f}{std} {unit}")


def _broken(text: str, letters: int = _LETTERS) -> str:
    """In lines that fit. Long names have no spaces; they are made of overrides."""
    lines = textwrap.wrap(text.replace("+", " +"), letters)
    return "\n".join(line.replace(" +", "+") for line in lines)


def _by_seed(lines: pd.DataFrame, value: str) -> pd.DataFrame:
    """A column by generation and seed, as far as the shortest search goes.

    Further on the mean would jump whenever a seed is no longer in it.
    """
    table = lines.pivot(index="generation", columns="seed", values=value)
    return table.loc[: lines.groupby("seed").generation.max().min()]


def _band(by_seed: pd.DataFrame) -> pd.DataFrame:
    """Mean and sample deviation over seeds, 0 of a single one; where nothing was measured, none."""
    mean, std = by_seed.mean(axis=1), by_seed.std(axis=1).fillna(0.0)
    return pd.DataFrame({"mean": mean, "std": std}).dropna()


def _draw_band(
    axes: Axes,
    band: pd.DataFrame,
    colour: str,
    label: str | None = None,
    *,
    style: str = "-",
    spread: bool = True,
) -> None:
    """The mean as a line and one standard deviation to either side as a band."""
    x, mean, std = band.index, band["mean"], band["std"]
    # A line of one point would not show.
    marker = "o" if len(x) == 1 else ""
    axes.plot(x, mean, style, color=colour, label=label, marker=marker, ms=4)
    if spread and std.any():
        axes.fill_between(x, mean - std, mean + std, color=colour, alpha=0.2, lw=0)


def _panels(n: int, height: float) -> tuple[Figure, list[Axes]]:
    """Panels of so many inches above each other, with one x axis: generations."""
    figure = Figure(figsize=(_WIDTH, height * n + 0.7), layout="constrained")
    panels = list(figure.subplots(n, 1, sharex=True, squeeze=False)[:, 0])
    panels[-1].set_xlabel("generation")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, panels


def _legend_above(figure: Figure, what: Axes | Sequence[Artist]) -> None:
    """A legend above all panels, where it hides nothing, in rows of two if they fit."""
    handles = what.get_legend_handles_labels()[0] if isinstance(what, Axes) else list(what)
    labels = [_broken(str(handle.get_label()), _LEGEND_LETTERS) for handle in handles]
    for n_columns in (2, 1):
        legend = figure.legend(
            handles, labels, loc="outside upper left", ncols=n_columns, handlelength=2.6
        )
        if n_columns == 1 or legend.get_window_extent().width < figure.bbox.width:
            break
        legend.remove()


def _colour(task: int) -> str:
    """A task keeps its colour from panel to panel."""
    return SERIES[task % len(SERIES)]


def _over_seeds(frame: pd.DataFrame) -> str:
    seeds: str = frame.attrs["seeds"]
    return f"Mean and sample standard deviation. {seeds}" if frame.seed.nunique() > 1 else seeds


def _share(entered: "pd.Series[bool]") -> str:
    n, n_all = int(entered.sum()), len(entered)
    return f"{n:,} of {n_all:,}" + (f" ({100 * n / n_all:.0f} %)" if n_all else "")
