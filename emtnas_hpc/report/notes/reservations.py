"""What speaks against comparing the numbers of a table with each other, or with the paper's."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from emtnas_hpc.report.data_sets import is_impostor
from emtnas_hpc.report.experiments import Experiment, Family, seed_of
from emtnas_hpc.report.layouts import Layout
from emtnas_hpc.report.paper import paper_settings
from emtnas_hpc.report.quantities import incumbents_retrainings
from emtnas_hpc.report.runs import Run

#: Recorded at every start, and how a note calls it.
_CONDITIONS = (
    ("device_model", "hardware"),
    ("torch", "torch"),
    ("numpy", "numpy"),
    ("emtnas_hpc", "emtnas-hpc"),
    ("threads", "threads"),
)


def reservations(layout: Layout, family: Family) -> Iterator[str]:
    """Notes about the runs that went into a table, or were left out of it."""
    experiments = family.find(sorted(layout.kinds, key=str))
    runs = [run for experiment in experiments for run in experiment.runs]
    if layout.is_paper:
        yield from _other_settings(layout, family)
        yield from _impostors(runs)
    yield from _unlike_tasks(experiments)
    yield from _unfinished(experiments)
    yield from _stale(experiments)
    for name, word in _CONDITIONS:
        yield from _mixed(name, word, experiments)
    yield from _changed(experiments)
    yield from _diverged(experiments)
    yield from _stood_back(layout, family)


def _other_settings(layout: Layout, family: Family) -> Iterator[str]:
    tasks = frozenset(task for kind in layout.kinds for task in kind.tasks)
    differences = [
        f"{name} {_show(family.settings[name])} (paper: {_show(value)})"
        for name, value in paper_settings(tasks).items()
        if name in family.settings and family.settings[name] != value
    ]
    if differences:
        yield f"Settings differ from the paper's: {', '.join(differences)}."


def _impostors(runs: Sequence[Run]) -> Iterator[str]:
    strangers = {
        (result.task, source)
        for run in runs
        if run.search is not None
        for result, source in zip(run.search.tasks, run.sources, strict=False)
        if is_impostor(result.task, source)
    }
    for task, source in sorted(strangers, key=str):
        yield f"Not the paper's data: {task} was read from {source.kind}:{source.name}."


def _unlike_tasks(experiments: Sequence[Experiment]) -> Iterator[str]:
    """A task's own settings, or its data, that differ between rows."""
    values: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for experiment in experiments:
        for name, value in experiment.settings.items():
            if name.startswith(("task.", "data.")):
                values[name][_show(value)].append(experiment.name)
    for name, by_value in sorted(values.items()):
        if len(by_value) > 1:
            what = f"the images of {name[5:]}" if name.startswith("data.") else name
            yield f"Between rows, {what} differ: {_listed(by_value)}."


def _unfinished(experiments: Sequence[Experiment]) -> Iterator[str]:
    parts = []
    for experiment in experiments:
        for run in experiment.runs:
            if run.search is not None and not run.finished:
                parts.append(
                    f"{experiment.name} seed {run.search.seed} (search, generation "
                    f"{run.search.generation} of {run.search.n_generations})"
                )
            parts += [
                f"{experiment.name} seed {seed_of(run)} ({r.header.task}, N = "
                f"{r.header.shape.n_normal}, epoch {len(r.epochs)} of {r.header.n_epochs})"
                for r in incumbents_retrainings(run)
                if run.finished and not r.finished
            ]
    if parts:
        yield f"Not finished and left out: {', '.join(parts)}."


def _stale(experiments: Sequence[Experiment]) -> Iterator[str]:
    parts = [
        f"{experiment.name} seed {seed_of(run)} ({retraining.header.task})"
        for experiment in experiments
        for run in experiment.finished
        for retraining in run.retrainings
        if retraining.header.found_on is not None and retraining not in incumbents_retrainings(run)
    ]
    if parts:
        yield f"Left out, because the search went on after it: retraining of {', '.join(parts)}."


def _mixed(name: str, word: str, experiments: Sequence[Experiment]) -> Iterator[str]:
    values: dict[str, list[str]] = defaultdict(list)
    for experiment in experiments:
        seeds: dict[str, list[int]] = defaultdict(list)
        for run in experiment.finished:
            for value in _values(name, run.conditions):
                seeds[value].append(seed_of(run))
        for value, members in seeds.items():
            all_of_it = len(members) == len(experiment.finished)
            which = "" if all_of_it else f" seed {', '.join(map(str, members))}"
            values[value].append(experiment.name + which)
    if len(values) > 1:
        times = "; times do not compare" if name in ("device_model", "threads") else ""
        yield f"Mixed {word}{times}: {_listed(values)}."


def _values(name: str, conditions: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({str(c[name]) for c in conditions if name in c})


def _changed(experiments: Sequence[Experiment]) -> Iterator[str]:
    for experiment in experiments:
        for run in experiment.finished:
            if run.search is not None and run.search.condition_changes:
                changes = "; ".join(run.search.condition_changes)
                yield (
                    f"Equal bits are not promised: {experiment.name}, seed {run.search.seed}, "
                    f"went on with {changes}."
                )


def _diverged(experiments: Sequence[Experiment]) -> Iterator[str]:
    for experiment in experiments:
        for run in experiment.finished:
            for task in run.search.tasks if run.search is not None else ():
                if task.diverged_in is not None:
                    yield (
                        f"The training loss diverged: {experiment.name}, seed {seed_of(run)}, "
                        f"{task.task} in generation {task.diverged_in}."
                    )


def _stood_back(layout: Layout, family: Family) -> Iterator[str]:
    others = [e.name for e in family.others if e.kind in layout.kinds]
    if others:
        yield (
            f"Also there, for rows that another experiment fills: {', '.join(others)}; name the "
            "runs to choose."
        )


def _listed(names: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(f"{value} ({', '.join(members)})" for value, members in sorted(names.items()))


def _show(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:12] if len(text) == 64 else text
