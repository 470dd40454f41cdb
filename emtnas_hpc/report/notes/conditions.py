"""Hardware and versions: a retraining's speak for its accuracy, never for a search's time."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from emtnas_hpc.experiment import retraining_name
from emtnas_hpc.history.retraining import Retraining
from emtnas_hpc.report.experiments import Experiment, seed_of
from emtnas_hpc.report.runs import Run
from emtnas_hpc.runner.provenance import condition_changes
from emtnas_hpc.store.paths import retraining_stage

#: Recorded at every start, and how a note calls it.
CONDITIONS = (
    ("device_model", "hardware"),
    ("torch", "torch"),
    ("numpy", "numpy"),
    ("emtnas_hpc", "emtnas-hpc"),
    ("threads", "threads"),
)


def retraining_conditions(
    experiments: Sequence[Experiment], used: Collection[str]
) -> Iterator[str]:
    """What the retrainings of a table were done on, where it is not one thing.

    Args:
        experiments: of the table.
        used: signatures of the retrainings that went into it.
    """
    retrained = [
        (experiment, run, retraining)
        for experiment in experiments
        for run in experiment.finished
        for retraining in run.retrainings
        if retraining.header.signature in used
    ]
    for name, word in CONDITIONS:
        yield from _mixed(name, word, retrained)
    for experiment, run, retraining in retrained:
        changes = condition_changes(run.attempts, stage_of(retraining))
        if changes:
            yield (
                f"Equal bits are not promised: {experiment.name}, seed {seed_of(run)}, retraining "
                f"of {retraining.header.task} (N = {retraining.header.shape.n_normal}) went on "
                f"with {'; '.join(changes)}."
            )


def stage_of(retraining: Retraining) -> str:
    """The stage that a retraining is, by the name that attempts know."""
    header = retraining.header
    name = retraining_name(header.task, header.found_on, header.shape.n_normal, header.recipe)
    return retraining_stage(name)


def values_of(name: str, conditions: Iterable[Mapping[str, Any]]) -> list[str]:
    """All values that a condition had."""
    return sorted({str(c[name]) for c in conditions if name in c})


def listed(names: Mapping[str, Sequence[str]]) -> str:
    """Each value with those that it holds for."""
    return "; ".join(f"{value} ({', '.join(members)})" for value, members in sorted(names.items()))


def _mixed(
    name: str, word: str, retrained: Sequence[tuple[Experiment, Run, Retraining]]
) -> Iterator[str]:
    values: dict[str, dict[str, None]] = defaultdict(dict)
    for experiment, run, retraining in retrained:
        for value in values_of(name, run.conditions(stage_of(retraining))):
            values[value][f"{experiment.name} seed {seed_of(run)}"] = None
    if len(values) > 1:
        members = {value: list(seeds) for value, seeds in values.items()}
        yield f"Retrainings, mixed {word}: {listed(members)}."
