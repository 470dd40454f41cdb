"""Parameters against accuracy of everything that a search has evaluated."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from emtnas_hpc.report.counting import parameters_of
from emtnas_hpc.report.figures.palette import EARLY, INK, LATE, MIDDLE
from emtnas_hpc.report.figures.searches import Searches
from emtnas_hpc.report.figures.style import legend_above, make_panels

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
