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
from emtnas_hpc.cli.children import run_or_log
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
from emtnas_hpc.data.opening import opened_once
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.errors import EmtnasError, InputError
from emtnas_hpc.evolution.random_streams import Purpose, stream
from emtnas_hpc.pipeline import finished_history, incumbent, run_stages
from emtnas_hpc.retraining.spec import RetrainSpec
from emtnas_hpc.runner.context import RunContext
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.runner.signals import StopRequest
from emtnas_hpc.search.environment import check_device_name
from emtnas_hpc.search.history import History
from emtnas_hpc.search.spec import RunSpec
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.hints import (
    prepare_hint_for_data_sets,
    prepare_hint_for_retraining,
    prepare_hints,
)
from emtnas_hpc.settings.loading import load_experiment, retraining_experiment
from emtnas_hpc.settings.messages import read_text
from emtnas_hpc.settings.names import StoredExperiment, read_stored, rename
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
    options = RetrainOptions(
        runs_or_experiment=tuple(run),
        tasks=tuple(task),
        on=on,
        normal_cells=tuple(normal_cells),
        recipe=recipe,
        overrides=tuple(set_),
        genotype=genotype,
        file=file,
        random=random,
        name=name,
        seeds=None if seeds is None else parse_seeds(seeds),
        runs=runs,
        data=data,
        device=check_device_name(device),
        take_over=take_over,
        other_images=other_images,
    )
    return retrain_all(options, as_json=json_, debug=bool(context.obj))


#: What is trained in a run directory, and the command that prepares its data.
Work = tuple[RunSpec, list[RetrainSpec], str]


@dataclass(frozen=True)
class Refused:
    """A run in which nothing can be trained, and why."""

    directory: Path
    error: EmtnasError


@dataclass(frozen=True, kw_only=True)
class RetrainOptions:
    """The options of `retrain`, as the user gave them."""

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

    def spec(self, experiment: Experiment, seed: int, paths: RunPaths) -> RunSpec:
        """What is done in one run directory."""
        return RunSpec(
            experiment, seed, paths, self.data, device=self.device, take_over=self.take_over
        )

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


def _of_one_among_several(options: RetrainOptions, paths: RunPaths) -> Work | Refused:
    try:
        found = _found(paths)
    except EmtnasError as error:
        return Refused(paths.directory, error)
    return _of_run(options, paths, *found)


def _found(paths: RunPaths) -> tuple[History, StoredExperiment]:
    """What the search of a run has found, and what the run is for."""
    paths.refuse_shut()
    history, stored = finished_history(paths), read_stored(paths)
    if stored is None:
        raise InputError(f"{paths.experiment} is missing; the command that made the run writes it")
    return history, stored


def _of_run(
    options: RetrainOptions, paths: RunPaths, history: History, stored: StoredExperiment
) -> Work:
    experiment = stored.experiment
    sources = options.tasks or tuple(
        task for task in experiment.tasks if task != options.on or len(experiment.tasks) == 1
    )
    wanted = retraining_experiment(
        experiment,
        options.overrides,
        recipe=options.recipe,
        targets=(options.on,) if options.on else sources,
        registry=REGISTRY,
    )
    specs = [
        RetrainSpec(wanted, stored.seed, *found, task=options.on or source, n_normal=n_normal)
        for source in sources
        for found in [incumbent(history, source)]
        for n_normal in _normal_cells(options, wanted)
    ]
    own = experiment.data_sets
    hint = prepare_hint_for_retraining(
        paths.experiment, own, wanted.tasks, overrides=options.overrides, data=options.data
    )
    return options.spec(experiment, stored.seed, paths), specs, hint


def _elsewhere(
    options: RetrainOptions, architecture: Architecture, what: str
) -> Iterator[Work | Refused]:
    """The runs of an architecture that no search of ours has found: one folder for each."""
    experiment = _experiment(options, what)
    for seed in options.seeds or (0,):
        paths = seed_run(options.runs, experiment.name, seed)
        try:
            stored = read_stored(paths)
        except EmtnasError as error:
            yield Refused(paths.directory, error)
            continue
        if stored is not None and "search" in stored.signatures:
            raise InputError(f"{paths.directory} is the run of a search; choose another --name")
        specs = [
            RetrainSpec(experiment, seed, architecture, None, task=task, n_normal=n_normal)
            for task in experiment.tasks
            for n_normal in _normal_cells(options, experiment)
        ]
        hint = prepare_hint_for_data_sets(experiment.tasks, options.overrides, options.data)
        yield options.spec(experiment, seed, paths), specs, hint


def _experiment(options: RetrainOptions, what: str) -> Experiment:
    if len(options.runs_or_experiment) > 1:
        raise InputError(
            f"an architecture from elsewhere takes one experiment, found "
            f"{', '.join(options.runs_or_experiment)}"
        )
    if options.on and options.tasks:
        raise InputError(
            "--task and --on both name data sets for an architecture from elsewhere; give one"
        )
    asked = (*options.runs_or_experiment, DEFAULT_EXPERIMENT)[0]
    tasks = (options.on,) if options.on else options.tasks
    overrides = [
        *([f"tasks={json.dumps(tasks)}"] if tasks else []),
        *([f"retraining.recipe={json.dumps(options.recipe)}"] if options.recipe else []),
        *options.overrides,
    ]
    experiment = load_experiment(asked, overrides, registry=REGISTRY)
    return rename(experiment, options.name or f"{experiment.name}+{what}")


def _normal_cells(options: RetrainOptions, experiment: Experiment) -> Sequence[int]:
    wanted = options.normal_cells or experiment.retraining.normal_cells
    if not wanted:
        raise InputError("retraining.normal_cells is empty; say with --normal-cells how deep")
    if min(wanted) < 1:
        raise InputError(f"--normal-cells is {min(wanted)}, expected at least 1")
    return tuple(dict.fromkeys(wanted))


def _from_elsewhere(options: RetrainOptions) -> tuple[Architecture, str] | None:
    """The architecture that was given, and what it is called in a folder's name."""
    given = [
        value for value in (options.genotype, options.file, options.random) if value is not None
    ]
    if not given:
        return None
    if len(given) > 1:
        raise InputError("--genotype, --file and --random exclude each other; give one of them")
    if options.random is not None:
        drawn = random_chromosome(stream(options.random, 0, None, Purpose.INITIAL))
        return decode(drawn), f"random={options.random}"
    architecture = parse_genotype(_text(options))
    digest = hashlib.sha256(format_genotype(architecture).encode()).hexdigest()
    return architecture, f"genotype={digest[:8]}"


def _text(options: RetrainOptions) -> str:
    if options.file is None:
        return options.genotype or ""
    return read_text(options.file, f"--file is '{options.file}', which")


def retrain_all(options: RetrainOptions, *, as_json: bool, debug: bool) -> int:
    """Retrains what the options ask for, one run after the other, and prints what is finished.

    Returns:
        The exit code.
    """
    found = options.work()
    codes = []
    with StopRequest() as stop:
        for each in found:
            about = _directory(each) if len(found) > 1 else None
            retrain = partial(_retrain, each, stop, other_images=options.other_images)
            codes.append(
                console.STOPPED if stop.requested else run_or_log(retrain, about=about, debug=debug)
            )
    if console.STOPPED in codes:
        print("stopped with work left; the same command goes on", file=sys.stderr)
    _print_results([work for work in found if not isinstance(work, Refused)], as_json=as_json)
    return console.combine(codes)


def _directory(found: Work | Refused) -> Path:
    return found.directory if isinstance(found, Refused) else found[0].paths.directory


def _retrain(found: Work | Refused, stop: StopRequest, *, other_images: bool) -> int:
    if isinstance(found, Refused):
        raise found.error
    run_spec, specs, hint = found
    with open_display({Who(run_spec.seed): 1}) as listener:
        context = RunContext(stop, callbacks_of(run_spec.seed, listener))
        with log_to_listener(run_spec.seed, listener), opened_once(), prepare_hints(hint):
            outcome = run_stages(run_spec, context, specs, other_images=other_images)
    return console.STOPPED if outcome is Outcome.MORE else console.DONE


def _print_results(works: Sequence[Work], *, as_json: bool) -> None:
    """Of those that are finished; of none, nothing."""
    records = [
        ((str(run_spec.paths.directory), retraining.name), record)
        for run_spec, specs, _hint in works
        for retraining in specs
        if (record := read_record(run_spec.paths.stage(retraining.stage_name))) and record.finished
    ]
    if not records:
        return
    if as_json:
        rows = [{"run": run, "name": name, **summary_of(r)} for (run, name), r in records]
        print(json.dumps(rows, indent=2, allow_nan=False))
        return
    open_screen().print(retrainings_table(("run", "retraining"), records))
