"""Notes below a table: what speaks against comparing its numbers with each other or the paper's."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from emtnas_hpc.checkpoint.paths import SEARCH, retraining_stage
from emtnas_hpc.report.data_sets import is_impostor
from emtnas_hpc.report.experiments import ExperimentRuns, Family
from emtnas_hpc.report.load import Run
from emtnas_hpc.report.specs import TableSpec, paper_images, paper_settings
from emtnas_hpc.report.table import list_seeds
from emtnas_hpc.retraining.record import Retraining
from emtnas_hpc.runner.attempts import condition_changes
from emtnas_hpc.settings.experiment import OF_MATING, show
from emtnas_hpc.settings.names import retraining_name

#: Recorded at every start, and how a note calls it.
_CONDITIONS = {
    "device_model": "hardware",
    "torch": "torch",
    "numpy": "numpy",
    "emtnas_hpc": "emtnas-hpc",
    "threads": "threads",
}
#: Values, each with those that it holds for.
_Holders = Mapping[str, Iterable[str]]


def caveats(spec: TableSpec, family: Family, used: Collection[str]) -> Iterator[str]:
    """Notes about the runs that fill a table, or were left out of it.

    Args:
        spec: of the table.
        family: of the experiments that fill it.
        used: signatures of the retrainings that do.
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
    yield from _other_settings(spec, family, experiments)
    yield from _other_images(experiments)
    yield from _impostors(run for _experiment, run in runs)
    yield from _unlike_tasks(experiments)
    yield from _unfinished(runs)
    yield from _outdated(finished)
    yield from _mixed(experiments)
    for experiment, run in finished:
        if run.search is not None and run.search.condition_changes:
            yield (
                f"Equal bits are not promised: {experiment.title}, seed {run.seed}, went on "
                f"with {'; '.join(run.search.condition_changes)}."
            )
    yield from _mixed_retrainings(retrained)
    for experiment, run, retraining in retrained:
        if changes := condition_changes(run.attempts, stage_of(retraining)):
            yield (
                f"Equal bits are not promised: {experiment.title}, seed {run.seed}, retraining of "
                f"{_network(retraining)} went on with {'; '.join(changes)}."
            )
    yield from _diverged(finished, used)
    others = [e.title for e in family.others if e.kind in spec.kinds]
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


def _other_settings(
    spec: TableSpec, family: Family, experiments: Sequence[ExperimentRuns]
) -> Iterator[str]:
    tasks = {task for kind in spec.kinds for task in kind.tasks}
    mated = any(e.settings.get("search.strategy") != "random" for e in experiments)
    differences = [
        f"{name} {show(family.settings[name])} (paper: {show(value)})"
        for name, value in paper_settings(tasks, family).items()
        if name in family.settings and family.settings[name] != value
        if mated or name.removeprefix("search.") not in OF_MATING
    ]
    if differences:
        yield f"Settings differ from the paper's: {', '.join(differences)}."


def _other_images(experiments: Sequence[ExperimentRuns]) -> Iterator[str]:
    """A task's own settings that are not what its data set is known with."""
    differences: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    n_with: Counter[str] = Counter(task for e in experiments for task in e.own_tasks)
    for experiment in experiments:
        for task, name in zip(experiment.own_tasks, experiment.tasks, strict=True):
            for field, expected in paper_images(name).items():
                found = experiment.settings.get(f"task.{task}.{field}", expected)
                if found != expected:
                    what = f"task.{task}.{field} {show(found)}"
                    differences[task, what, show(expected)].append(experiment.title)
    texts = [
        # Named only where the others are treated otherwise: names may be long.
        f"{what} ({'' if len(of) == n_with[task] else ', '.join(of) + '; '}expected: {expected})"
        for (task, what, expected), of in sorted(differences.items())
    ]
    if texts:
        yield f"Images are not treated as the paper's: {', '.join(texts)}."


def _impostors(runs: Iterable[Run]) -> Iterator[str]:
    read = {pair for run in runs for pair in zip(run.own_tasks, run.sources, strict=False)}
    for task, source in sorted(read):
        if is_impostor(task, source):
            yield f"Not the paper's data: {task} was read from {source}."


def _unlike_tasks(experiments: Sequence[ExperimentRuns]) -> Iterator[str]:
    """A task's own settings, or its data, that differ between rows."""
    values: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for experiment in experiments:
        for name, value in experiment.settings.items():
            if name.startswith(("task.", "data.")):
                values[name][show(value)].append(experiment.title)
    for name, holders in sorted(values.items()):
        what = f"the images of {name[5:]}" if name.startswith("data.") else name
        yield from _if_mixed(f"Between rows, {what} differ", holders)


def _unfinished(runs: Sequence[tuple[ExperimentRuns, Run]]) -> Iterator[str]:
    parts = []
    for experiment, run in runs:
        who = f"{experiment.title} seed {run.seed}"
        if run.search is not None and not run.finished:
            progress = f"{run.search.generation} of {run.search.header.n_generations}"
            parts.append(f"{who} (search, generation {progress})")
        parts += [
            f"{who} ({r.header.task}, N = {r.header.shape.n_normal}, epoch {len(r.epochs)} of "
            f"{r.header.n_epochs})"
            for r in run.incumbents_retrained
            if run.finished and not r.finished
        ]
    if parts:
        yield f"Not finished and left out: {', '.join(parts)}."


def _outdated(finished: Sequence[tuple[ExperimentRuns, Run]]) -> Iterator[str]:
    parts = [
        f"{experiment.title} seed {run.seed} ({retraining.header.task})"
        for experiment, run in finished
        for retraining in run.retrainings
        if retraining.header.found_on is not None and retraining not in run.incumbents_retrained
    ]
    if parts:
        yield f"Left out, because the search went on after it: retraining of {', '.join(parts)}."


def _mixed(experiments: Sequence[ExperimentRuns]) -> Iterator[str]:
    for name, word in _CONDITIONS.items():
        holders: dict[str, list[str]] = defaultdict(list)
        for experiment in experiments:
            seeds: dict[str, list[int]] = defaultdict(list)
            for run in experiment.finished:
                for value in _values_of(name, run, SEARCH):
                    seeds[value].append(run.seed)
            for value, members in seeds.items():
                is_all = len(members) == len(experiment.finished)
                which = "" if is_all else f" {list_seeds(members)}"
                holders[value].append(experiment.title + which)
        times = "; times do not compare" if name in ("device_model", "threads") else ""
        yield from _if_mixed(f"Mixed {word}{times}", holders)


def _mixed_retrainings(
    retrained: Sequence[tuple[ExperimentRuns, Run, Retraining]],
) -> Iterator[str]:
    for name, word in _CONDITIONS.items():
        holders: dict[str, dict[str, None]] = defaultdict(dict)
        for experiment, run, retraining in retrained:
            for value in _values_of(name, run, stage_of(retraining)):
                holders[value][f"{experiment.title} seed {run.seed}"] = None
        yield from _if_mixed(f"Retrainings, mixed {word}", holders)


def _values_of(name: str, run: Run, stage: str) -> list[str]:
    return sorted({str(c[name]) for c in run.conditions(stage) if name in c})


def _if_mixed(what: str, holders: _Holders) -> Iterator[str]:
    if len(holders) > 1:
        each = (f"{value} ({', '.join(of)})" for value, of in sorted(holders.items()))
        yield f"{what}: {'; '.join(each)}."


def _diverged(
    finished: Sequence[tuple[ExperimentRuns, Run]], used: Collection[str]
) -> Iterator[str]:
    for experiment, run in finished:
        who = f"{experiment.title}, seed {run.seed}"
        for where in run.search.diverged if run.search is not None else ():
            yield f"The training loss diverged: {who}, {where}."
        for retraining in run.retrainings:
            if retraining.diverged and retraining.header.signature in used:
                where = f"{_network(retraining)} in {retraining.diverged}"
                yield f"The retraining diverged: {who}, {where}."


def _network(retraining: Retraining) -> str:
    return f"{retraining.header.task} (N = {retraining.header.shape.n_normal})"
