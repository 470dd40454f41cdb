"""Figures of an experiment's searches, drawn from frames of `search_frames`, and what all share."""

import io
import re
import textwrap
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from PIL import Image

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
WIDTH = 4.2
#: Letters of a line of text; of a legend's fewer, as a piece of line goes before them.
_LETTERS = 54
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
SHARED = "with the weights that all architectures share, so it ranks no settings"


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


def plot_transfers(individuals: pd.DataFrame) -> Plot:
    """A panel a task: its children with a parent of each other task, summed up over generations."""
    tasks = individuals.attrs["tasks"]
    figure, panels = make_panels(len(tasks), 1.9)
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
                draw_band(axes, band_of(so_far(born)), _colour(task), style="--", spread=False)
                draw_band(axes, band_of(so_far(born[born.entered])), _colour(task))
        axes.set_title(broken(f"children of {name}"))
        axes.set_ylabel("children so far")
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.set_ylim(bottom=0)
    handles = [
        Line2D([], [], color=_colour(task), label=f"foreign parent of {name}")
        for task, name in enumerate(tasks)
    ]
    handles.append(Line2D([], [], color=INK, linestyle="--", label="born"))
    handles.append(Line2D([], [], color=INK, label="entered the population"))
    legend_above(figure, handles)
    is_foreign = children.foreign != children.task
    foreign, own = (_share(children.entered[chosen]) for chosen in (is_foreign, ~is_foreign))
    return Plot(
        figure,
        "Transfer between tasks",
        f"Of children with a parent of another task {foreign} survived their first selection, of "
        f"those without one {own}. {over_seeds(individuals)}",
        f"Rising lines. {foreign} of children with a foreign parent entered the population.",
    )


def plot_diversity(generations: pd.DataFrame) -> Plot:
    """Above, different chromosomes of a subpopulation; below, genes in which two of it differ."""
    figure, (distinct, distance) = make_panels(2, 2.0)
    ends = []
    for task, name in enumerate(generations.attrs["tasks"]):
        lines = generations[generations.task == name]
        style = _STYLES[task % len(_STYLES)]
        distances = band_of(by_seed(lines, "distance"))
        draw_band(distinct, band_of(by_seed(lines, "distinct")), _colour(task), name, style=style)
        draw_band(distance, distances, _colour(task), name, style=style)
        means = distances["mean"]
        ends.append(f"{name} from {means.iloc[0]:.1f} to {means.iloc[-1]:.1f}")
    distinct.set_ylabel("different chromosomes")
    distance.set_ylabel(f"mean distance (of {N_GENES} genes)")
    distinct.yaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in (distinct, distance):
        axes.set_ylim(bottom=0)
    legend_above(figure, distinct)
    return Plot(
        figure,
        "Diversity",
        "Above, different chromosomes in each subpopulation; below, genes in which two of its "
        f"individuals differ, mean over all pairs. {over_seeds(generations)}",
        f"Lines by generation. The mean distance goes for {', '.join(ends)} genes.",
    )


def plot_sizes(individuals: pd.DataFrame) -> Plot:
    """A panel a task: every individual of every seed, coloured by generation; incumbents ringed."""
    tasks = individuals.attrs["tasks"]
    figure, panels = make_panels(len(tasks), 2.4)
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
        axes.set_title(broken(name))
        axes.set_ylabel("sampled accuracy (%)")
    panels[-1].set_xlabel("parameters (million)")
    panels[-1].xaxis.set_major_locator(MaxNLocator(5))
    legend_above(figure, panels[0])
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
        f"accuracy on one validation mini-batch, {SHARED}. Ringed: each seed's incumbent. "
        f"{individuals.attrs['batch_norm']} {individuals.attrs['seeds']}",
        f"Scatter plot of {n:,} individuals, coloured by generation of birth.",
    )


def broken(text: str, letters: int = _LETTERS) -> str:
    """In lines that fit. Long names have no spaces; they are made of overrides."""
    lines = textwrap.wrap(text.replace("+", " +"), letters)
    return "\n".join(line.replace(" +", "+") for line in lines)


def by_seed(lines: pd.DataFrame, value: str) -> pd.DataFrame:
    """A column by generation and seed, as far as the shortest search goes.

    Further on the mean would jump whenever a seed is no longer in it.
    """
    table = lines.pivot(index="generation", columns="seed", values=value)
    return table.loc[: lines.groupby("seed").generation.max().min()]


def band_of(by_seed: pd.DataFrame) -> pd.DataFrame:
    """Mean and sample deviation over seeds, 0 of a single one; where nothing was measured, none."""
    mean, std = by_seed.mean(axis=1), by_seed.std(axis=1).fillna(0.0)
    return pd.DataFrame({"mean": mean, "std": std}).dropna()


def draw_band(
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


def make_panels(n: int, height: float, n_columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Panels of so many inches above each other, with one x axis: generations.

    Of several columns they come row by row, and those of a row share their y axis.
    """
    width = WIDTH * (1 + 0.8 * (n_columns - 1))
    figure = Figure(figsize=(width, height * n + 0.7), layout="constrained")
    grid = figure.subplots(n, n_columns, sharex=True, sharey="row", squeeze=False)
    for axes in grid[-1]:
        axes.set_xlabel("generation")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, list(grid.flat)


def legend_above(figure: Figure, what: Axes | Sequence[Artist]) -> None:
    """A legend above all panels, where it hides nothing, in rows of two if they fit."""
    handles = what.get_legend_handles_labels()[0] if isinstance(what, Axes) else list(what)
    labels = [broken(str(handle.get_label()), _LEGEND_LETTERS) for handle in handles]
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


def over_seeds(frame: pd.DataFrame) -> str:
    """Whose mean a figure shows."""
    seeds: str = frame.attrs["seeds"]
    return f"Mean and sample standard deviation. {seeds}" if frame.seed.nunique() > 1 else seeds


def _share(entered: "pd.Series[bool]") -> str:
    n, n_all = int(entered.sum()), len(entered)
    return f"{n:,} of {n_all:,}" + (f" ({100 * n / n_all:.0f} %)" if n_all else "")
