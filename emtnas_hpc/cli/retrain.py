"""`retrain`: train an architecture from scratch."""

from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.cli.options import (
    DataOption,
    DeviceOption,
    JsonOption,
    RunsOption,
    SetOption,
    parse_seeds,
    typed_path,
)
from emtnas_hpc.search.device_name import check_device_name


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
    from emtnas_hpc.cli.retrain_order import RetrainOrder
    from emtnas_hpc.cli.retraining import retrain_all

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
