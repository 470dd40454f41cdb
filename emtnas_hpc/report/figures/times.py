"""Where the time of a search went: training, evaluation, and the search itself."""

import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from emtnas_hpc.report.figures.palette import SERIES
from emtnas_hpc.report.figures.searches import Searches
from emtnas_hpc.report.figures.style import WIDTH
from emtnas_hpc.report.figures.trace import TIME_PARTS, Floats

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
