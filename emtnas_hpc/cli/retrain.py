"""`retrain`: train an architecture from scratch."""

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.checkpoint.paths import RunPaths, seed_run
from emtnas_hpc.cli import console
from emtnas_hpc.cli.children import run_or_say
from emtnas_hpc.cli.console import open_screen
from emtnas_hpc.cli.display import open_display
from emtnas_hpc.cli.events import Who, callbacks_of, log_to_listener
from emtnas_hpc.cli.options import (
    DEFAULT_EXPERIMENT,
    DataOption,
    DeviceOption,
    JsonOption,
    RunsOption,
    SetOption,
    parse_seeds,
    typed_path,
)
from emtnas_hpc.cli.retraining_table import read_record, retrainings_table, summary_of
from emtnas_hpc.cli.runs import find_runs
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.errors import EmtnasError, InputError
from emtnas_hpc.evolution.random_streams import Purpose, stream
from emtnas_hpc.pipeline import finished_history, incumbent, run_retraining_stages
from emtnas_hpc.retraining.spec import Origin, RetrainSpec
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.runner.signals import StopRequest
from emtnas_hpc.search.environment import check_device_name
from emtnas_hpc.search.history import History
from emtnas_hpc.search.run_dir import read_stored
from emtnas_hpc.search.session import RunSpec
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.hints import prepare_hint_for_data_sets, prepare_hint_for_retraining
from emtnas_hpc.settings.loading import load_experiment, retraining_experiment
from emtnas_hpc.settings.messages import read_text
from emtnas_hpc.settings.names import StoredExperiment, rename
from emtnas_hpc.space.architecture import (
    Architecture,
    decode,
    format_genotype,
    parse_genotype,
    random_chromosome,
)


def retrain(
    context: typer.Context,
    run: Annotated[
        list[str],
        typer.Argument(
            help="Runs: folders, or names below --runs. Of --genotype, --file and --random: the "
            "experiment whose settings and tasks count.",
            metavar="RUN",
        ),
    ] = [],  # noqa: B006 - typer copies it
    task: Annotated[
        list[str], typer.Option(help="What was found for this task; default: all. Repeatable.")
    ] = [],  # noqa: B006
    on: Annotated[
        str | None, typer.Option(help="Train on this data set instead: a transfer.")
    ] = None,
    normal_cells: Annotated[
        list[int], typer.Option(help="N; default: the experiment's. Repeatable.")
    ] = [],  # noqa: B006
    recipe: Annotated[
        str | None, typer.Option(help="Recipe; default: the run's, with what it had changed.")
    ] = None,
    set_: SetOption = [],  # noqa: B006
    genotype: Annotated[
        str | None, typer.Option(help="An architecture from elsewhere, as text.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="The same, in a file that holds nothing else.", callback=typed_path),
    ] = None,
    random: Annotated[
        int | None, typer.Option(help="The same, drawn at random with this seed.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of an architecture from elsewhere: name of its folder.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Of an architecture from elsewhere: as in run; default 1.")
    ] = None,
    other_images: Annotated[
        bool,
        typer.Option("--other-images", help="Train on the images of now, not those of the search."),
    ] = False,
    runs: RunsOption = Path("runs"),
    data: DataOption = Path("data"),
    device: DeviceOption = "auto",
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Take a run from its owner, dead or alive.")
    ] = False,
    json_: JsonOption = False,
) -> int:
    """Train what a search found from scratch, and measure it on the test set, once, at the end.

    Repeated, it goes on where it was. Results lie in the run, retraining/TASK-nN-RECIPE, transfers
    in retraining/FROM-on-TASK-nN-RECIPE. An architecture from elsewhere has a run of its own.

    The images are those that the search saw, also where the user's files have changed since; what
    has changed is said. --other-images takes those of now, and names every test image that the
    search has trained or validated on. What has begun goes on with the images that it began with.
    """
    # Imported here, so that --help needs none of it.

    order = RetrainOrder(
        tuple(run),
        tuple(task),
        on,
        tuple(normal_cells),
        recipe,
        tuple(set_),
        genotype,
        file,
        random,
        name,
        None if seeds is None else parse_seeds(seeds),
        runs,
        data,
        check_device_name(device),
        take_over,
        other_images,
    )
    return retrain_all(order, as_json=json_, debug=bool(context.obj))


Work = tuple[RunSpec, list[RetrainSpec]]


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
    mend = prepare_hint_for_retraining(paths, own, wanted.tasks, order.overrides, order.data)
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
        mend = prepare_hint_for_data_sets(experiment.tasks, order.overrides, order.data)
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
) -> Iterator[RetrainSpec]:
    for n_normal in _normal_cells(order, experiment):
        yield RetrainSpec(
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
) -> RunSpec:
    return RunSpec(experiment, seed, paths, order.data, order.device, mend, order.take_over)


def retrain_all(order: RetrainOrder, *, as_json: bool, debug: bool) -> int:
    """Carries out an order, one run after the other, and prints what is finished of it.

    Args:
        order: what to train.
        as_json: whether to print it for programs.
        debug: whether to print tracebacks.

    Returns:
        The exit code.
    """
    found = order.work()
    codes = []
    with StopRequest() as stop:
        for each in found:
            say = partial(_complain, _directory(each) if len(found) > 1 else None)
            retrain = partial(_retrain, each, stop, other_images=order.other_images)
            codes.append(
                console.STOPPED if stop.requested else run_or_say(retrain, say, debug=debug)
            )
    if console.STOPPED in codes:
        print("stopped with work left; the same command goes on", file=sys.stderr)
    _print_verdicts([work for work in found if not isinstance(work, Refused)], as_json=as_json)
    return console.combine(codes)


def _directory(found: Work | Refused) -> Path:
    return found.directory if isinstance(found, Refused) else found[0].paths.directory


def _complain(where: Path | None, line: str) -> None:
    """Of several runs, which one it is about."""
    said = line if where is None or str(where) in line else f"{where}: {line}"
    print(f"error: {said}", file=sys.stderr)


def _retrain(found: Work | Refused, stop: StopRequest, *, other_images: bool) -> int:
    if isinstance(found, Refused):
        raise found.error
    request, orders = found
    with open_display({Who(request.seed): 1}) as listener:
        callbacks = callbacks_of(request.seed, listener)
        with log_to_listener(request.seed, listener):
            outcome = run_retraining_stages(
                request, orders, callbacks, stop, other_images=other_images
            )
    return console.STOPPED if outcome is Outcome.MORE else console.DONE


def _print_verdicts(works: Sequence[Work], *, as_json: bool) -> None:
    """Of those that are finished; of none, nothing."""
    records = [
        ((str(request.paths.directory), order.name), record)
        for request, orders in works
        for order in orders
        if (record := read_record(request.paths.stage(order.stage_name))) and record.finished
    ]
    if not records:
        return
    if as_json:
        rows = [{"run": run, "name": name, **summary_of(r)} for (run, name), r in records]
        print(json.dumps(rows, indent=2, allow_nan=False))
        return
    open_screen().print(retrainings_table(("run", "retraining"), records))
