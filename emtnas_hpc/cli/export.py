"""`export`: an architecture as a Python module of its own."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.cli.options import RunsOption, typed_path
from emtnas_hpc.cli.runs import find_run
from emtnas_hpc.errors import EmtnasError, InputError
from emtnas_hpc.export.files import write_export
from emtnas_hpc.export.spec import (
    ExportSpec,
    as_option,
    check_shape,
    choose,
    incumbent_spec,
    refuse_damaged,
    retrained_spec,
    retrainings_of,
)
from emtnas_hpc.report.load import newest_history
from emtnas_hpc.search.history import History
from emtnas_hpc.settings.names import read_stored
from emtnas_hpc.space.architecture import NetworkShape, parse_genotype


def export(
    output: Annotated[
        Path, typer.Option(help="Folder that the files are written to.", callback=typed_path)
    ],
    run: Annotated[
        str | None,
        typer.Argument(help="A run: a folder, or a name below --runs.", metavar="RUN"),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="What was found for this task; default: all.")
    ] = None,
    retraining: Annotated[
        str | None,
        typer.Option(
            help="Folder of a retraining; default: the finished one with the most normal cells."
        ),
    ] = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="What the search has found so far, without weights.")
    ] = False,
    genotype: Annotated[
        str | None, typer.Option(help="An architecture from elsewhere, as text; without weights.")
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="C, without weights only; default: 48, or the run's.")
    ] = None,
    normal_cells: Annotated[
        int | None, typer.Option(help="N, without weights only; default: 2, or the run's.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(help="Classes, for --genotype only; default: 10.")
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(help="Edge in pixels, for --genotype only; default: 32.")
    ] = None,
    image_channels: Annotated[
        int | None, typer.Option(help="1 or 3, for --genotype only; default: 3.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the module; default: the retraining's.")
    ] = None,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Write ONNX too; takes the packages of the extra onnx.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace other files of these names; export what diverged."),
    ] = False,
    runs: RunsOption = Path("runs"),
) -> None:
    """Write a network as a Python module that needs nothing but torch, and its weights beside it.

    NAME.py says where the network comes from, how it is loaded and how images are normalised;
    NAME.pt holds the weights that the test set was measured with. Prints the files.
    """
    shape = {
        "channels": channels,
        "normal_cells": normal_cells,
        "classes": classes,
        "image_size": image_size,
        "image_channels": image_channels,
    }
    shape_options = {name: value for name, value in shape.items() if value is not None}
    if genotype is not None:
        _refuse_both("--genotype", "RUN", run)
        _refuse_both("--genotype", "--task", task)
        _refuse_both("--genotype", "--retraining", retraining)
        _refuse_both("--genotype", "--untrained", untrained or None)
        specs = [_from_genotype(genotype, shape_options)]
    elif run is None:
        raise InputError("no run is named; name one, or give --genotype")
    else:
        directory = find_run(run, runs)
        if untrained:
            _refuse_both("--untrained", "--retraining", retraining)
            specs = _untrained(directory, task, shape_options)
        else:
            _refuse_shape_options(shape_options, "--genotype or --untrained")
            specs = _retrained(directory, task, retraining)
    if name is not None:
        if len(specs) > 1:
            names = ", ".join(spec.name for spec in specs)
            raise InputError(f"--name is for one network, found {names}; say --task as well")
        specs = [specs[0].renamed(name)]
    for path in write_export(specs, output, onnx=onnx, force=force):
        print(path)


def _refuse_both(option: str, other: str, value: object) -> None:
    if value is not None:
        raise InputError(f"{option} and {other} exclude each other; give one of them")


def _refuse_shape_options(options: Iterable[str], allowed_with: str) -> None:
    for name in options:
        raise InputError(
            f"{as_option(name)} is for {allowed_with}; the network of a run has its own"
        )


def _from_genotype(genotype: str, shape_options: Mapping[str, int]) -> ExportSpec:
    shape = NetworkShape(
        channels=shape_options.get("channels", 48),
        n_normal=shape_options.get("normal_cells", 2),
        image_channels=shape_options.get("image_channels", 3),
        image_size=shape_options.get("image_size", 32),
        n_classes=shape_options.get("classes", 10),
    )
    check_shape(shape, as_option)
    return ExportSpec(name="network", architecture=parse_genotype(genotype), shape=shape)


def _untrained(
    directory: Path, task: str | None, shape_options: Mapping[str, int]
) -> list[ExportSpec]:
    """What a search has found, in the width and depth that its run retrains it with."""
    network_only = ("classes", "image_size", "image_channels")
    _refuse_shape_options([name for name in network_only if name in shape_options], "--genotype")
    history, stored = newest_history(directory), read_stored(RunPaths(directory))
    names = [each.name for each in history.header.tasks]
    if task not in (None, *names):
        raise InputError(f"--task is {task!r}, but the search has {', '.join(names)}")
    specs = []
    for number, name in enumerate(names):
        if task not in (None, name):
            continue
        images = stored.experiment.task[name] if stored else None
        spec = incumbent_spec(history, number, images, _divergence(history, name))
        shape = spec.shape
        channels, n_normal = shape.channels, shape.n_normal
        if stored:
            retraining = stored.experiment.retraining
            channels, n_normal = retraining.channels, max(retraining.normal_cells, default=n_normal)
        shape = replace(
            shape,
            channels=shape_options.get("channels", channels),
            n_normal=shape_options.get("normal_cells", n_normal),
        )
        specs.append(replace(spec, shape=check_shape(shape, as_option)))
    return specs


def _retrained(directory: Path, task: str | None, name: str | None) -> list[ExportSpec]:
    if task is not None:
        _refuse_both("--task", "--retraining", name)
    paths = RunPaths(directory)
    refuse_damaged(paths, name)
    found = retrainings_of(paths, only_readable=name is not None)
    history = None
    with suppress(EmtnasError):  # a retraining may have outlived its search
        history = newest_history(directory)
    return [
        retrained_spec(each, _divergence(history, each.record.header.found_on))
        for each in choose(found, directory, task, name)
    ]


def _divergence(history: History | None, task: str | None) -> str:
    """That the search of a task diverged, and when; empty if it did not, as far as is known."""
    names = [] if history is None else [each.name for each in history.header.tasks]
    if history is None or task not in names:
        return ""
    generation = history.diverged_in(names.index(task))
    if generation is None:
        return ""
    return f"the search of {task} diverged in generation {generation}: what it found is no result"
