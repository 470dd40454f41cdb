"""What the training of a search cost: means over training steps, in a network of any size."""

from collections.abc import Iterable
from dataclasses import replace

from emtnas_hpc.report.counting import Counts
from emtnas_hpc.report.figures.trace import Trace


def mean_per_step(
    traces: Iterable[Trace], count: Counts, channels: int | None = None, n_normal: int | None = None
) -> float:
    """Each time that an architecture was trained on a mini-batch it counts once, whatever the task.

    Args:
        traces: of searches with at least one training step.
        count: counts something in a network.
        channels: of the network; None for the search's own.
        n_normal: normal cells between its reductions; likewise.
    """
    total = steps = 0
    for trace in traces:
        trained = trace.n_steps > 0
        for task, header in enumerate(trace.header.tasks):
            chosen = trained & (trace.tasks == task)
            shape = replace(
                header.shape,
                channels=channels or header.shape.channels,
                n_normal=n_normal or header.shape.n_normal,
            )
            n_steps = trace.n_steps[chosen]
            total += int(n_steps @ count(trace.chromosomes[chosen], shape))
            steps += int(n_steps.sum())
    return total / steps
