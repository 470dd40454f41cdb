"""Notes below a table: what speaks against comparing its numbers with each other or the paper's."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from emtnas_hpc.checkpoint.paths import SEARCH, retraining_stage
from emtnas_hpc.report.experiments import Experiment, Family, seed_of
from emtnas_hpc.report.load import Run, is_impostor
from emtnas_hpc.report.measurements import incumbents_retrainings
from emtnas_hpc.report.paper import TableSpec, paper_images, paper_settings
from emtnas_hpc.retraining.record import Retraining
from emtnas_hpc.runner.attempts import condition_changes
from emtnas_hpc.settings.names import retraining_name

#: Recorded at every start, and how a note calls it.
_CONDITIONS = {
    "device_model": "hardware",
    "torch": "torch",
    "numpy": "numpy",
    "emtnas_hpc": "emtnas-hpc",
    "threads": "threads",
}


def caveats(spec: TableSpec, family: Family, used: Collection[str]) -> Iterator[str]:
    """Notes about the runs that fill a table, or were left out of it.

    Args:
        spec: of the table.
        family: whose experiments fill it.
        used: signatures of the retrainings that fill it.
    """
    experiments = family.find(spec.kinds)
    runs = [(experiment, run) for experiment in experiments for run in experiment.runs]
    finished = [(experiment, run) for experiment, run in runs if run.finished]
    retrained = [
        (experiment, run, retraining)
        for experiment, run in finished
        for retraining in run.retrainings
        if retraining.header.signature in used
    ]
    if spec.is_paper:
        yield from _other_settings(spec, family)
        yield from _other_images(experiments)
    yield from _impostors(run for _experiment, run in runs)
    yield from _unlike_tasks(experiments)
    yield from _unfinished(runs)
    yield from _outdated(finished)
    for name, word in _CONDITIONS.items():
        yield from _mixed(name, word, experiments)
    for experiment, run in finished:
        if run.search is not None and run.search.condition_changes:
            yield (
                f"Equal bits are not promised: {experiment.name}, seed {seed_of(run)}, went on "
                f"with {'; '.join(run.search.condition_changes)}."
            )
    for name, word in _CONDITIONS.items():
        yield from _mixed_retrainings(name, word, retrained)
    for experiment, run, retraining in retrained:
        if changes := condition_changes(run.attempts, stage_of(retraining)):
            yield (
                f"Equal bits are not promised: {experiment.name}, seed {seed_of(run)}, retraining "
                f"of {_network(retraining)} went on with {'; '.join(changes)}."
            )
    yield from _diverged(finished, used)
    others = [e.name for e in family.others if e.kind in spec.kinds]
    if others:
        yield (
            f"Also there, for rows that another experiment fills: {', '.join(others)}; name the "
            "runs to choose."
        )


def stage_of(retraining: Retraining) -> str:
    """The stage that a retraining is, by the name that attempts know."""
    header = retraining.header
    name = retraining_name(header.task, header.found_on, header.shape.n_normal, header.recipe)
    return retraining_stage(name)


def _network(retraining: Retraining) -> str:
    return f"{retraining.header.task} (N = {retraining.header.shape.n_normal})"


def _listed(names: Mapping[str, Iterable[str]]) -> str:
    """Each value with those that it holds for."""
    return "; ".join(f"{value} ({', '.join(members)})" for value, members in sorted(names.items()))


def _values_of(name: str, run: Run, stage: str) -> list[str]:
    return sorted({str(c[name]) for c in run.conditions(stage) if name in c})


def _other_settings(spec: TableSpec, family: Family) -> Iterator[str]:
    tasks = frozenset(task for kind in spec.kinds for task in kind.tasks)
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
        for task, name in zip(experiment.own_tasks, experiment.tasks, strict=True)
        for field, expected in paper_images(name).items()
        if (setting := f"task.{task}.{field}") in experiment.settings
        and (found := experiment.settings[setting]) != expected
    }
    if differences:
        yield f"Images are not treated as the paper's: {', '.join(sorted(differences))}."


def _impostors(runs: Iterable[Run]) -> Iterator[str]:
    strangers = {
        (result.task, source)
        for run in runs
        for result, source in zip(run.search.tasks if run.search else (), run.sources, strict=False)
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


def _unfinished(runs: Sequence[tuple[Experiment, Run]]) -> Iterator[str]:
    parts = []
    for experiment, run in runs:
        who = f"{experiment.name} seed {seed_of(run)}"
        if run.search is not None and not run.finished:
            progress = f"{run.search.generation} of {run.search.n_generations}"
            parts.append(f"{who} (search, generation {progress})")
        parts += [
            f"{who} ({r.header.task}, N = {r.header.shape.n_normal}, epoch {len(r.epochs)} of "
            f"{r.header.n_epochs})"
            for r in incumbents_retrainings(run)
            if run.finished and not r.finished
        ]
    if parts:
        yield f"Not finished and left out: {', '.join(parts)}."


def _outdated(finished: Sequence[tuple[Experiment, Run]]) -> Iterator[str]:
    parts = [
        f"{experiment.name} seed {seed_of(run)} ({retraining.header.task})"
        for experiment, run in finished
        for retraining in run.retrainings
        if retraining.header.found_on is not None and retraining not in incumbents_retrainings(run)
    ]
    if parts:
        yield f"Left out, because the search went on after it: retraining of {', '.join(parts)}."


def _mixed(name: str, word: str, experiments: Sequence[Experiment]) -> Iterator[str]:
    values: dict[str, list[str]] = defaultdict(list)
    for experiment in experiments:
        seeds: dict[str, list[str]] = defaultdict(list)
        for run in experiment.finished:
            for value in _values_of(name, run, SEARCH):
                seeds[value].append(str(seed_of(run)))
        for value, members in seeds.items():
            is_all = len(members) == len(experiment.finished)
            which = "" if is_all else f" seed {', '.join(members)}"
            values[value].append(experiment.name + which)
    if len(values) > 1:
        times = "; times do not compare" if name in ("device_model", "threads") else ""
        yield f"Mixed {word}{times}: {_listed(values)}."


def _mixed_retrainings(
    name: str, word: str, retrained: Sequence[tuple[Experiment, Run, Retraining]]
) -> Iterator[str]:
    values: dict[str, dict[str, None]] = defaultdict(dict)
    for experiment, run, retraining in retrained:
        for value in _values_of(name, run, stage_of(retraining)):
            values[value][f"{experiment.name} seed {seed_of(run)}"] = None
    if len(values) > 1:
        yield f"Retrainings, mixed {word}: {_listed(values)}."


def _diverged(finished: Sequence[tuple[Experiment, Run]], used: Collection[str]) -> Iterator[str]:
    for experiment, run in finished:
        who = f"{experiment.name}, seed {seed_of(run)}"
        for where in run.search.diverged if run.search is not None else ():
            yield f"The training loss diverged: {who}, {where}."
        for retraining in run.retrainings:
            if retraining.diverged and retraining.header.signature in used:
                where = f"{_network(retraining)} in {retraining.diverged}"
                yield f"The retraining diverged: {who}, {where}."


def _show(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:12] if len(text) == 64 else text
