"""What speaks against comparing the numbers of a table with each other, or with the paper's."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from emtnas_hpc.checkpoint.paths import SEARCH, retraining_stage
from emtnas_hpc.report.columns import incumbents_retrainings
from emtnas_hpc.report.experiments import Experiment, Family, seed_of
from emtnas_hpc.report.layouts import Layout
from emtnas_hpc.report.load import Run, is_impostor
from emtnas_hpc.report.paper import paper_images, paper_settings
from emtnas_hpc.retraining.record import Retraining
from emtnas_hpc.runner.attempts import condition_changes
from emtnas_hpc.settings.names import retraining_name

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
        yield from _mixed_conditions(name, word, retrained)
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


def _mixed_conditions(
    name: str, word: str, retrained: Sequence[tuple[Experiment, Run, Retraining]]
) -> Iterator[str]:
    values: dict[str, dict[str, None]] = defaultdict(dict)
    for experiment, run, retraining in retrained:
        for value in values_of(name, run.conditions(stage_of(retraining))):
            values[value][f"{experiment.name} seed {seed_of(run)}"] = None
    if len(values) > 1:
        members = {value: list(seeds) for value, seeds in values.items()}
        yield f"Retrainings, mixed {word}: {listed(members)}."


def reservations(layout: Layout, family: Family, used: Collection[str] = ()) -> Iterator[str]:
    """Notes about the runs that went into a table, or were left out of it.

    Args:
        layout: of the table.
        family: whose experiments fill it.
        used: signatures of the retrainings that went into it.
    """
    experiments = family.find(sorted(layout.kinds, key=str))
    runs = [run for experiment in experiments for run in experiment.runs]
    if layout.is_paper:
        yield from _other_settings(layout, family)
        yield from _other_images(experiments)
    yield from _impostors(runs)
    yield from _unlike_tasks(experiments)
    yield from _unfinished(experiments)
    yield from _stale(experiments)
    for name, word in CONDITIONS:
        yield from _mixed(name, word, experiments)
    yield from _changed(experiments)
    yield from retraining_conditions(experiments, used)
    yield from _diverged(experiments, used)
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


def _other_images(experiments: Sequence[Experiment]) -> Iterator[str]:
    """A task's own settings that are not what its data set is known with."""
    differences = {
        f"{setting} {_show(found)} ({experiment.name}; expected: {_show(expected)})"
        for experiment in experiments
        for task, name in _task_names(experiment)
        for field, expected in paper_images(name).items()
        if (setting := f"task.{task}.{field}") in experiment.settings
        and (found := experiment.settings[setting]) != expected
    }
    if differences:
        yield f"Images are not treated as the paper's: {', '.join(sorted(differences))}."


def _task_names(experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Tasks as the experiment calls them, and as the tables do."""
    search = experiment.runs[0].search
    if search is not None:
        yield from zip((task.task for task in search.tasks), experiment.tasks, strict=True)


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
            yield f"Between rows, {what} differ: {listed(by_value)}."


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
            for value in values_of(name, run.conditions(SEARCH)):
                seeds[value].append(seed_of(run))
        for value, members in seeds.items():
            all_of_it = len(members) == len(experiment.finished)
            which = "" if all_of_it else f" seed {', '.join(map(str, members))}"
            values[value].append(experiment.name + which)
    if len(values) > 1:
        times = "; times do not compare" if name in ("device_model", "threads") else ""
        yield f"Mixed {word}{times}: {listed(values)}."


def _changed(experiments: Sequence[Experiment]) -> Iterator[str]:
    for experiment in experiments:
        for run in experiment.finished:
            if run.search is not None and run.search.condition_changes:
                changes = "; ".join(run.search.condition_changes)
                yield (
                    f"Equal bits are not promised: {experiment.name}, seed {run.search.seed}, "
                    f"went on with {changes}."
                )


def _diverged(experiments: Sequence[Experiment], used: Collection[str]) -> Iterator[str]:
    for experiment in experiments:
        for run in experiment.finished:
            for task in run.search.tasks if run.search is not None else ():
                if task.diverged_in is not None:
                    yield (
                        f"The training loss diverged: {experiment.name}, seed {seed_of(run)}, "
                        f"{task.task} in generation {task.diverged_in}."
                    )
            for retraining in run.retrainings:
                header = retraining.header
                if retraining.diverged and header.signature in used:
                    yield (
                        f"The retraining diverged: {experiment.name}, seed {seed_of(run)}, "
                        f"{header.task} (N = {header.shape.n_normal}) in {retraining.diverged}."
                    )


def _stood_back(layout: Layout, family: Family) -> Iterator[str]:
    others = [e.name for e in family.others if e.kind in layout.kinds]
    if others:
        yield (
            f"Also there, for rows that another experiment fills: {', '.join(others)}; name the "
            "runs to choose."
        )


def _show(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:12] if len(text) == 64 else text
