"""Children with a foreign parent: how many were born, and how many entered the population."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from emtnas_hpc.report.figures.bands import band_of
from emtnas_hpc.report.figures.ledger import Ledger, ledger_of
from emtnas_hpc.report.figures.lines import draw_band, label_generations
from emtnas_hpc.report.figures.palette import INK, SERIES
from emtnas_hpc.report.figures.searches import Searches
from emtnas_hpc.report.figures.style import legend_above, make_panels


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
