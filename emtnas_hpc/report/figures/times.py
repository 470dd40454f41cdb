"""Where the time of a search went: training, evaluation, and the search itself."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from emtnas_hpc.report.figures.palette import SERIES
from emtnas_hpc.report.figures.searches import Searches
from emtnas_hpc.report.figures.style import WIDTH
from emtnas_hpc.report.figures.trace import TIME_PARTS, Floats

#: Seconds of a unit, and up to how many of them the next larger one is not worth it.
_UNITS = ((1.0, "s", 180.0), (60.0, "min", 180.0), (3600.0, "h", 72.0), (86400.0, "d", np.inf))


def draw_times(experiments: Sequence[Searches]) -> Figure:
    """A stacked bar an experiment, mean over seeds of the sum over tasks."""
    totals = [_seconds(experiment) for experiment in experiments]
    longest = max(float(seconds.mean(axis=0).sum()) for seconds in totals)
    unit, name = next((size, unit) for size, unit, most in _UNITS if longest <= most * size)
    figure = Figure(figsize=(WIDTH, 0.9 + 0.42 * len(experiments)), layout="constrained")
    axes = figure.subplots()
    for row, (experiment, seconds) in enumerate(zip(experiments, totals, strict=True)):
        left = 0.0
        for part, value in enumerate(seconds.mean(axis=0) / unit):
            label = TIME_PARTS[part] if row == 0 else None
            axes.barh(row, value, 0.42, left, color=SERIES[part], label=label)
            left += value
        axes.text(0, row - 0.28, _label(experiment, seconds / unit, name), va="bottom")
    axes.set(xlabel=f"time ({name}), mean over seeds", yticks=[])
    axes.set_ylim(len(experiments) - 0.6, -0.85)
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
    std = f" ± {totals.std(ddof=1):.2g}" if len(totals) > 1 else ""
    note = "" if experiment.finished else f", up to generation {experiment.generation}"
    return f"{experiment.title}: {totals.mean():.3g}{std} {unit}{note}"
