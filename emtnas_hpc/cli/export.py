"""`export`: an architecture as a Python module of its own."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.cli.options import RunsOption, typed_path
from emtnas_hpc.cli.runs import find_run
from emtnas_hpc.errors import EmtnasError, InputError
from emtnas_hpc.export.files import Item, write_export
from emtnas_hpc.export.subjects import (
    Subject,
    as_option,
    check_shape,
    choose,
    genotype_subject,
    incumbent_subject,
    refuse_damaged,
    renamed,
    retrained_subject,
    retraining_shape,
    retrainings_of,
)
from emtnas_hpc.report.load import newest_history
from emtnas_hpc.search.history import History
from emtnas_hpc.search.run_dir import read_stored
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.space.architecture import NetworkShape


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
    # Imported here, so that --help needs none of it.

    frame = Frame(channels, normal_cells, classes, image_size, image_channels)
    order = ExportOrder(run, task, retraining, untrained, genotype, frame, name, runs)
    print_exported(order, output, onnx=onnx, force=force)


@dataclass(frozen=True)
class Frame:
    """The options of a network's frame, each None where it was not given."""

    channels: int | None
    normal_cells: int | None
    classes: int | None
    image_size: int | None
    image_channels: int | None

    def refuse(self, *allowed: str) -> None:
        """Refuses the options that are given and not among the allowed ones."""
        for field in fields(self):
            if getattr(self, field.name) is not None and field.name not in allowed:
                kinds = "--genotype or --untrained" if not allowed else "--genotype"
                raise InputError(
                    f"{as_option(field.name)} is for {kinds}; the network of a run has its own"
                )


@dataclass(frozen=True)
class ExportOrder:
    """The arguments of `export`, as the user gave them."""

    run: str | None
    task: str | None
    retraining: str | None
    untrained: bool
    genotype: str | None
    frame: Frame
    name: str | None
    runs: Path

    def items(self) -> list[Item]:
        """The networks that are meant.

        Raises:
            InputError: the arguments do not go together, or there is no such network.
            DamagedError: the run's history cannot be read.
            StorageError: a part of the run that matters cannot be read.
        """
        items = list(self._items())
        if self.name is None:
            return items
        if len(items) > 1:
            names = ", ".join(item.subject.name for item in items)
            raise InputError(f"--name is for one network, found {names}; say --task as well")
        return [replace(items[0], subject=renamed(items[0].subject, self.name))]

    def _items(self) -> Iterator[Item]:
        if self.genotype is not None:
            yield Item(_from_elsewhere(self, self.genotype))
            return
        if self.run is None:
            raise InputError("no run is named; name one, or give --genotype")
        directory = find_run(self.run, self.runs)
        if self.untrained:
            yield from _incumbents(self, directory)
            return
        self.frame.refuse()
        if self.task is not None and self.retraining is not None:
            raise InputError("--task and --retraining exclude each other; give one of them")
        paths = RunPaths(directory)
        refuse_damaged(paths, self.retraining)
        found = retrainings_of(paths, only_readable=self.retraining is not None)
        history = None
        with suppress(EmtnasError):  # a retraining may have outlived its search
            history = newest_history(directory)
        for retrained in choose(found, directory, self.task, self.retraining):
            doubt = _doubt(history, retrained.record.header.found_on)
            yield Item(retrained_subject(retrained), retrained, doubt)


def _doubt(history: History | None, found_on: str | None) -> str:
    """What is wrong with whatever a search has found for a task; empty if nothing is."""
    names = [] if history is None else [task.name for task in history.header.tasks]
    if history is None or found_on not in names:
        return ""
    generation = history.diverged_in(names.index(found_on))
    if generation is None:
        return ""
    return (
        f"the search of {found_on} diverged in generation {generation}: what it found is no result"
    )


def _from_elsewhere(order: ExportOrder, genotype: str) -> Subject:
    for option, value in (
        ("RUN", order.run),
        ("--task", order.task),
        ("--retraining", order.retraining),
        ("--untrained", order.untrained or None),
    ):
        if value is not None:
            raise InputError(f"--genotype and {option} exclude each other; give one of them")
    frame = order.frame
    shape = NetworkShape(
        channels=48 if frame.channels is None else frame.channels,
        n_normal=2 if frame.normal_cells is None else frame.normal_cells,
        image_channels=3 if frame.image_channels is None else frame.image_channels,
        image_size=32 if frame.image_size is None else frame.image_size,
        n_classes=10 if frame.classes is None else frame.classes,
    )
    return genotype_subject(genotype, check_shape(shape, as_option))


def _incumbents(order: ExportOrder, directory: Path) -> Iterator[Item]:
    """What a search has found, in the frame that its run retrains it in."""
    if order.retraining is not None:
        raise InputError("--untrained and --retraining exclude each other; give one of them")
    order.frame.refuse("channels", "normal_cells")
    history, stored = newest_history(directory), read_stored(RunPaths(directory))
    names = [task.name for task in history.header.tasks]
    if order.task not in (None, *names):
        raise InputError(f"--task is {order.task!r}, but the search has {', '.join(names)}")
    for number, name in enumerate(names):
        if order.task in (None, name):
            experiment = stored.experiment if stored else None
            subject = _incumbent(order.frame, history, number, experiment)
            yield Item(subject, doubt=_doubt(history, name))


def _incumbent(frame: Frame, history: History, task: int, experiment: Experiment | None) -> Subject:
    name = history.header.tasks[task].name
    images = experiment.task[name] if experiment else None
    subject = incumbent_subject(history, task, images)
    shape = subject.shape
    if experiment is not None:
        shape = retraining_shape(shape, experiment.retraining)
    if frame.channels is not None:
        shape = replace(shape, channels=frame.channels)
    if frame.normal_cells is not None:
        shape = replace(shape, n_normal=frame.normal_cells)
    return replace(subject, shape=check_shape(shape, as_option))


def print_exported(order: ExportOrder, folder: Path, *, onnx: bool, force: bool) -> None:
    """Carries out an order and prints the files, one a line.

    Raises:
        InputError: something of it cannot be done; nothing has been changed.
        EmtnasError: of the store.
    """
    for path in write_export(order.items(), folder, onnx=onnx, force=force, say=_warn):
        print(path)


def _warn(line: str) -> None:
    print(line, file=sys.stderr)
