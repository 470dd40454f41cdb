"""The seeds of one experiment together: what a figure is drawn of."""

from collections.abc import Sequence
from dataclasses import dataclass

from emtnas_hpc.report.experiments import Experiment, seed_of
from emtnas_hpc.report.figures.trace import Trace


@dataclass(frozen=True)
class Searches:
    """Searches that differ in nothing but their seed.

    Attributes:
        title: of the experiment.
        key: of it, a part of file names and addresses.
        traces: its searches, by seed: the finished ones, or all while none is finished.
        left_out: seeds that are not finished while others are.
        diverged: seeds whose training loss did: left out as well, unless all of them did.
    """

    title: str
    key: str
    traces: tuple[Trace, ...]
    left_out: tuple[int, ...]
    diverged: tuple[int, ...] = ()

    @property
    def all_diverged(self) -> bool:
        """Whether nothing else could be drawn."""
        return self.diverged == tuple(trace.header.seed for trace in self.traces)

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


def searches_of(experiment: Experiment) -> Searches:
    """What is drawn of an experiment."""
    diverged = tuple(seed_of(run) for run in experiment.averaged if run.diverged())
    runs = [run for run in experiment.averaged if not run.diverged()] or experiment.averaged
    traces = tuple(run.trace for run in runs if run.trace is not None)
    left_out = experiment.unfinished if experiment.finished else ()
    return Searches(experiment.title, experiment.key, traces, left_out, diverged)
