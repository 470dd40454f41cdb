"""True and estimated accuracy of the fittest by generation (Figure 5 of the paper)."""

from matplotlib.figure import Figure

from emtnas_hpc.report.figures.bands import band_of
from emtnas_hpc.report.figures.lines import draw_band, label_generations
from emtnas_hpc.report.figures.palette import SERIES
from emtnas_hpc.report.figures.searches import Searches
from emtnas_hpc.report.figures.style import legend_above, make_panels


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
