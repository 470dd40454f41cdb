"""`export`: an architecture as a Python module of its own."""

from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.cli.options import RunsOption, typed_path


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
    from emtnas_hpc.cli.export_order import ExportOrder, Frame
    from emtnas_hpc.cli.exporting import print_exported

    frame = Frame(channels, normal_cells, classes, image_size, image_channels)
    order = ExportOrder(run, task, retraining, untrained, genotype, frame, name, runs)
    print_exported(order, output, onnx=onnx, force=force)
