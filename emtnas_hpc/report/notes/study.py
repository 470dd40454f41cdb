"""What a table of somebody's own study says of its searches, so that it can stand alone."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emtnas_hpc.report.data_sets import heading
from emtnas_hpc.report.experiments import Experiment, Family
from emtnas_hpc.report.layouts import Layout
from emtnas_hpc.report.paper import SOURCE
from emtnas_hpc.report.runs import Run


def study_notes(layout: Layout, family: Family) -> Iterator[str]:
    """Nothing below a table of the paper: what differs from the paper is said there instead."""
    experiments = family.find(sorted(layout.kinds, key=str))
    if layout.is_paper or not experiments:
        return
    yield f"Laid out as Table {layout.number} of {SOURCE} (the paper)."
    yield f"Searches: {_describe(family.settings)}."
    yield from _images(experiments)


def _describe(settings: Mapping[str, Any]) -> str:
    """What decides how much a search costs."""
    size, batches = settings["training.batch_size"], settings["training.batches"]
    amount = f"an epoch in mini-batches of {size}"
    if isinstance(batches, int):
        amount = f"{batches} mini-batches of {size}"
    return (
        f"{settings['search.generations']} generations, population "
        f"{settings['search.population']}, {settings['supernet.channels']} channels, N = 1; a "
        f"generation trains on {amount} images of each task and evaluates an individual on "
        f"{settings['evaluation.batch_size']}"
    )


def _images(experiments: Sequence[Experiment]) -> Iterator[str]:
    """How many of each data set; of a test set as soon as one was read."""
    counts: dict[str, str] = {}
    for experiment in experiments:
        for run in experiment.averaged:
            for name, count in _counts(run):
                counts.setdefault(name, count)
    if counts:
        said = "; ".join(f"{heading(name)} {count}" for name, count in sorted(counts.items()))
        yield f"Images (training, validation, test): {said}."


def _counts(run: Run) -> Iterator[tuple[str, str]]:
    tested = {r.header.task: r.header.n_test for r in run.retrainings}
    headers = () if run.trace is None else run.trace.header.tasks
    for header, name in zip(headers, run.tasks, strict=True):
        test = f"{tested[header.name]:,}" if header.name in tested else "not read"
        yield name, f"{header.n_training:,}, {header.n_validation:,}, {test}"
