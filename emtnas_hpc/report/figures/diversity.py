"""How alike the individuals of each task have become, by generation."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from emtnas_hpc.report.figures.bands import band_of
from emtnas_hpc.report.figures.lines import draw_band, label_generations
from emtnas_hpc.report.figures.palette import SERIES
from emtnas_hpc.report.figures.searches import Searches
from emtnas_hpc.report.figures.style import legend_above, make_panels
from emtnas_hpc.report.figures.variety import (
    distinct_chromosomes,
    mean_hamming_distance,
    subpopulation_genes,
)
from emtnas_hpc.space.chromosome import N_GENES

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
