"""From what a user asks of `retrain` to run directories and what is to be trained in each."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.agenda.incumbents import finished_history, incumbent
from emtnas_hpc.agenda.mending import prepare_data_sets, prepare_for_retraining
from emtnas_hpc.cli.finding import find_runs
from emtnas_hpc.cli.options import DEFAULT_EXPERIMENT
from emtnas_hpc.data.registry import REGISTRY
from emtnas_hpc.errors import EmtnasError, InputError
from emtnas_hpc.evolution.random_streams import Purpose, stream
from emtnas_hpc.experiment import (
    Experiment,
    StoredExperiment,
    load_experiment,
    rename,
    retraining_experiment,
)
from emtnas_hpc.experiment.text import read_text
from emtnas_hpc.history import History
from emtnas_hpc.retraining.order import Origin, RetrainingOrder
from emtnas_hpc.search.run_directory import read_stored
from emtnas_hpc.search.session import SearchRequest
from emtnas_hpc.space.architecture import Architecture, decode
from emtnas_hpc.space.chromosome import random_chromosome
from emtnas_hpc.space.genotype import format_genotype, parse_genotype
from emtnas_hpc.store.paths import RunPaths, seed_run

Work = tuple[SearchRequest, list[RetrainingOrder]]


@dataclass(frozen=True)
class Refused:
    """A run in which nothing can be trained, and why."""

    directory: Path
    error: EmtnasError


@dataclass(frozen=True)
class RetrainOrder:
    """The arguments of `retrain`, as the user gave them."""

    runs_or_experiment: tuple[str, ...]
    tasks: tuple[str, ...]
    on: str | None
    normal_cells: tuple[int, ...]
    recipe: str | None
    overrides: tuple[str, ...]
    genotype: str | None
    file: Path | None
    random: int | None
    name: str | None
    seeds: tuple[int, ...] | None
    runs: Path
    data: Path
    device: str
    take_over: bool
    other_images: bool = False

    def work(self) -> list[Work | Refused]:
        """For every run directory, what is to be trained there.

        Of several runs, one whose search is not finished does not keep the others from theirs.

        Raises:
            InputError: something of it cannot be done; nothing has been changed.
        """
        found = _from_elsewhere(self)
        if found is not None:
            return list(_elsewhere(self, *found))
        if self.name is not None or self.seeds is not None:
            raise InputError(
                "--name and --seeds are for architectures from elsewhere; a run has its own"
            )
        if not self.runs_or_experiment:
            raise InputError("no run is named; name one, or give --genotype, --file or --random")
        directories = find_runs(self.runs_or_experiment, self.runs)
        if len(directories) == 1:
            paths = RunPaths(directories[0])
            return [_of_run(self, paths, *_found(paths))]
        return [_of_one_among_several(self, RunPaths(directory)) for directory in directories]


def _of_one_among_several(order: RetrainOrder, paths: RunPaths) -> Work | Refused:
    try:
        found = _found(paths)
    except EmtnasError as error:
        return Refused(paths.directory, error)
    return _of_run(order, paths, *found)


def _found(paths: RunPaths) -> tuple[History, StoredExperiment]:
    """What the search of a run has found, and what the run is for."""
    paths.refuse_shut()
    history, stored = finished_history(paths), read_stored(paths)
    if stored is None:
        raise InputError(f"{paths.experiment} is missing; the command that made the run writes it")
    return history, stored


def _of_run(
    order: RetrainOrder, paths: RunPaths, history: History, stored: StoredExperiment
) -> Work:
    experiment = stored.experiment
    sources = order.tasks or tuple(
        task for task in experiment.tasks if task != order.on or len(experiment.tasks) == 1
    )
    wanted = retraining_experiment(
        experiment,
        order.overrides,
        recipe=order.recipe,
        targets=(order.on,) if order.on else sources,
        registry=REGISTRY,
    )
    orders = [
        trained
        for source in sources
        for trained in _orders(
            order, wanted, stored.seed, order.on or source, *incumbent(history, source)
        )
    ]
    own = experiment.data_sets
    mend = prepare_for_retraining(paths, own, wanted.tasks, order.overrides, order.data)
    return _request(order, experiment, stored.seed, paths, mend), orders


def _elsewhere(
    order: RetrainOrder, architecture: Architecture, what: str
) -> Iterator[Work | Refused]:
    """The runs of an architecture that no search of ours has found: one folder for each."""
    experiment = _experiment(order, what)
    for seed in order.seeds or (0,):
        paths = seed_run(order.runs, experiment.name, seed)
        try:
            stored = read_stored(paths)
        except EmtnasError as error:
            yield Refused(paths.directory, error)
            continue
        if stored is not None and "search" in stored.signatures:
            raise InputError(f"{paths.directory} is the run of a search; choose another --name")
        orders = [
            trained
            for task in experiment.tasks
            for trained in _orders(order, experiment, seed, task, architecture, None)
        ]
        mend = prepare_data_sets(experiment.tasks, order.overrides, order.data)
        yield _request(order, experiment, seed, paths, mend), orders


def _experiment(order: RetrainOrder, what: str) -> Experiment:
    if len(order.runs_or_experiment) > 1:
        raise InputError(
            f"an architecture from elsewhere takes one experiment, found "
            f"{', '.join(order.runs_or_experiment)}"
        )
    if order.on and order.tasks:
        raise InputError(
            "--task and --on both name data sets for an architecture from elsewhere; give one"
        )
    asked = (*order.runs_or_experiment, DEFAULT_EXPERIMENT)[0]
    tasks = (order.on,) if order.on else order.tasks
    overrides = [
        *([f"tasks={json.dumps(tasks)}"] if tasks else []),
        *([f"retraining.recipe={json.dumps(order.recipe)}"] if order.recipe else []),
        *order.overrides,
    ]
    experiment = load_experiment(asked, overrides, registry=REGISTRY)
    return rename(experiment, order.name or f"{experiment.name}+{what}")


def _orders(
    order: RetrainOrder,
    experiment: Experiment,
    seed: int,
    task: str,
    architecture: Architecture,
    origin: Origin | None,
) -> Iterator[RetrainingOrder]:
    for n_normal in _normal_cells(order, experiment):
        yield RetrainingOrder(
            experiment.name,
            seed,
            experiment.threads,
            architecture,
            origin,
            task,
            experiment.task[task],
            n_normal,
            experiment.retraining,
            experiment.precision,
        )


def _normal_cells(order: RetrainOrder, experiment: Experiment) -> Sequence[int]:
    wanted = order.normal_cells or experiment.retraining.normal_cells
    if not wanted:
        raise InputError("retraining.normal_cells is empty; say with --normal-cells how deep")
    if min(wanted) < 1:
        raise InputError(f"--normal-cells is {min(wanted)}, expected at least 1")
    return tuple(dict.fromkeys(wanted))


def _from_elsewhere(order: RetrainOrder) -> tuple[Architecture, str] | None:
    """The architecture that was given, and what it is called in a folder's name."""
    given = [value for value in (order.genotype, order.file, order.random) if value is not None]
    if not given:
        return None
    if len(given) > 1:
        raise InputError("--genotype, --file and --random exclude each other; give one of them")
    if order.random is not None:
        drawn = random_chromosome(stream(order.random, 0, None, Purpose.INITIAL))
        return decode(drawn), f"random={order.random}"
    architecture = parse_genotype(_text(order))
    digest = hashlib.sha256(format_genotype(architecture).encode()).hexdigest()
    return architecture, f"genotype={digest[:8]}"


def _text(order: RetrainOrder) -> str:
    if order.file is None:
        return order.genotype or ""
    return read_text(order.file, f"--file is '{order.file}', which")


def _request(
    order: RetrainOrder, experiment: Experiment, seed: int, paths: RunPaths, mend: str
) -> SearchRequest:
    return SearchRequest(experiment, seed, paths, order.data, order.device, mend, order.take_over)
