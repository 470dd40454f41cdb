"""What stands below each figure, and what is read out to who cannot see it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emtnas_hpc.report.figures.bands import band_of
from emtnas_hpc.report.figures.ledger import ledger_of
from emtnas_hpc.report.figures.searches import Searches, listed
from emtnas_hpc.report.figures.trace import TIME_PARTS
from emtnas_hpc.report.figures.variety import mean_hamming_distance, subpopulation_genes

#: A supernet's accuracy says how a search went; it must not be taken for more.
_SHARED = "with the weights that all architectures share, so it ranks no settings"


@dataclass(frozen=True)
class Caption:
    """The words of a figure.

    Attributes:
        title: a few words.
        text: what is shown, of how many seeds, in which batch-norm mode.
        alt: what can be seen in it, with numbers.
    """

    title: str
    text: str
    alt: str


def caption_fittest(experiment: Searches) -> Caption:
    """Of the accuracy of the fittest by generation."""
    ends = []
    for task, name in enumerate(experiment.tasks):
        band = band_of([trace.true_fitness[:, task] for trace in experiment.traces])
        if len(band.mean):
            first, last = (f"{100 * band.mean[i]:.1f} %" for i in (0, -1))
            ends.append(f"{name} from {first} to {last}")
    return Caption(
        "Fittest individual",
        f"Validation accuracy of the fittest individual, measured {_SHARED}. "
        f"Batch-norm mode {experiment.batch_norm}. {_over_seeds(experiment)}",
        f"Lines by generation. True accuracy goes for {', '.join(ends) or 'no task: unmeasured'}.",
    )


def caption_transfers(experiment: Searches) -> Caption:
    """Of the transfer ledger."""
    ledgers = [ledger_of(trace) for trace in experiment.traces]
    born = sum(ledger.born.sum(axis=0) for ledger in ledgers)
    entered = sum(ledger.entered.sum(axis=0) for ledger in ledgers)
    own = np.eye(len(experiment.tasks), dtype=bool)
    foreign = _share(int(entered[~own].sum()), int(born[~own].sum()))
    others = _share(int(entered[own].sum()), int(born[own].sum()))
    return Caption(
        "Transfer between tasks",
        "Children with a parent of another task, summed up over generations: born, and those of "
        f"them that survived their first selection. In all seeds together {foreign} entered the "
        f"population, of children without a foreign parent {others}. {_over_seeds(experiment)}",
        f"Rising lines. {foreign} of children with a foreign parent entered the population.",
    )


def caption_diversity(experiment: Searches) -> Caption:
    """Of diversity by generation."""
    ends = []
    for task, name in enumerate(experiment.tasks):
        genes = [subpopulation_genes(trace, task) for trace in experiment.traces]
        mean = band_of([mean_hamming_distance(g) for g in genes]).mean
        ends.append(f"{name} from {mean[0]:.1f} to {mean[-1]:.1f}")
    return Caption(
        "Diversity",
        "Above, different chromosomes in each subpopulation; below, genes in which two of its "
        f"individuals differ, mean over all pairs. {_over_seeds(experiment)}",
        f"Lines by generation. The mean distance goes for {', '.join(ends)} genes.",
    )


def caption_sizes(experiment: Searches) -> Caption:
    """Of parameters against accuracy."""
    n = sum(len(trace.tasks) for trace in experiment.traces)
    return Caption(
        "Size and accuracy",
        f"All {n:,} individuals that were evaluated: parameters of the search's network (output "
        "slices in use) and accuracy on one validation mini-batch, "
        f"{_SHARED}. Batch-norm mode {experiment.batch_norm}. Ringed: each seed's incumbent. "
        f"{_seeds(experiment)}.{_left_out(experiment)}",
        f"Scatter plot of {n:,} individuals, coloured by generation of birth.",
    )


def caption_times(experiments: Sequence[Searches]) -> Caption:
    """Of the split of time."""
    longest = max(experiments, key=_total_seconds)
    seconds = sum(trace.seconds.sum(axis=0) for trace in longest.traces)
    shares = ", ".join(
        f"{part} {100 * value / seconds.sum():.0f} %"
        for part, value in zip(TIME_PARTS, seconds, strict=True)
    )
    return Caption(
        "Where the time went",
        "Wall clock of sampled training, sampled evaluation and the search itself (breeding, "
        "re-evaluation, selection), summed over tasks; mean ± sample standard deviation over the "
        "seeds of each experiment; without queueing, repeated steps and true fitness."
        f"{_diverged_somewhere(experiments)}",
        f"A stacked bar for each experiment. The longest, {longest.title}: {shares}.",
    )


def _total_seconds(experiment: Searches) -> float:
    return float(np.mean([trace.seconds.sum() for trace in experiment.traces]))


def _over_seeds(experiment: Searches) -> str:
    band = ""
    if len(experiment.traces) > 1:
        band = "Mean over seeds; band: one sample standard deviation to either side. "
    up_to = ""
    if not experiment.finished:
        up_to = f" Not finished: shown up to generation {experiment.generation}."
    return f"{band}{_seeds(experiment)}.{up_to}{_left_out(experiment)}"


def _seeds(experiment: Searches) -> str:
    return experiment.seeds.capitalize()


def _left_out(experiment: Searches) -> str:
    left_out, diverged = experiment.left_out, experiment.diverged
    text = f" Not finished and left out: seed {listed(left_out)}." if left_out else ""
    if experiment.all_diverged:
        text += " The training loss of all of them diverged: what follows on it is noise."
    elif diverged:
        text += f" Diverged and left out: seed {listed(diverged)}."
    return text


def _diverged_somewhere(experiments: Sequence[Searches]) -> str:
    which = [f"{e.title} seed {listed(e.diverged)}" for e in experiments if e.diverged]
    return f" Diverged and left out, unless all did: {'; '.join(which)}." if which else ""


def _share(part: int, whole: int) -> str:
    percent = f" ({100 * part / whole:.0f} %)" if whole else ""
    return f"{part:,} of {whole:,}{percent}"
