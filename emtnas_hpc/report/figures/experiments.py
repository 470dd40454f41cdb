"""The seeds of one experiment together: what a figure is drawn of."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from emtnas_hpc.report.figures.trace import Trace


@dataclass(frozen=True)
class Experiment:
    """Searches that differ in nothing but their seed.

    Attributes:
        title: its name; with a part of its signature where another one is called so too.
        traces: its searches, by seed: the finished ones, or all while none is finished.
        left_out: seeds that are not finished while others are.
    """

    title: str
    traces: tuple[Trace, ...]
    left_out: tuple[int, ...]

    @property
    def key(self) -> str:
        """The title as a part of file names and addresses."""
        return re.sub(r"[^A-Za-z0-9_-]+", "-", self.title).strip("-")

    @property
    def signature(self) -> str:
        """The same for all of its seeds, and for no other experiment's."""
        return self.traces[0].header.experiment_signature

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the data sets, by skill factor."""
        return tuple(task.name for task in self.traces[0].header.tasks)

    @property
    def batch_norm(self) -> str:
        """The mode that its accuracies were measured in."""
        return self.traces[0].header.batch_norm

    @property
    def seeds(self) -> str:
        """Which, and how many: `seeds 0, 1 (n = 2)`."""
        seeds = [trace.header.seed for trace in self.traces]
        plural = "s" if len(seeds) > 1 else ""
        return f"seed{plural} {listed(seeds)} (n = {len(seeds)})"

    @property
    def finished(self) -> bool:
        """Whether its searches have reached their last generation."""
        return all(trace.finished for trace in self.traces)

    @property
    def generation(self) -> int:
        """The newest generation that all of its searches have reached."""
        return min(trace.generation for trace in self.traces)


def listed(seeds: Sequence[int]) -> str:
    """`0, 1, 4`."""
    return ", ".join(map(str, seeds))


def group(traces: Iterable[Trace]) -> tuple[Experiment, ...]:
    """The experiments that the searches belong to, by name."""
    grouped: dict[tuple[str, str], list[Trace]] = defaultdict(list)
    for trace in traces:
        grouped[trace.header.name, trace.header.experiment_signature].append(trace)
    names = [name for name, _signature in grouped]
    return tuple(
        _experiment(
            f"{name} (settings {signature[:8]})" if names.count(name) > 1 else name,
            sorted(grouped[name, signature], key=lambda trace: trace.header.seed),
        )
        for name, signature in sorted(grouped)
    )


def _experiment(title: str, traces: Sequence[Trace]) -> Experiment:
    finished = tuple(trace for trace in traces if trace.finished)
    left_out = [trace.header.seed for trace in traces if finished and not trace.finished]
    return Experiment(title, finished or tuple(traces), tuple(left_out))
