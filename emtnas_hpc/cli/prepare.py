"""`prepare`: the only command that downloads."""

import json
from pathlib import Path

from emtnas_hpc.cli.options import (
    DEFAULT_EXPERIMENT,
    DataOption,
    ExperimentsArgument,
    JsonOption,
    SetOption,
)
from emtnas_hpc.cli.seeds import load_named
from emtnas_hpc.data.prepare import prepare as prepare_task
from emtnas_hpc.settings.hints import prepare_hint, prepare_hints


def prepare(
    experiment: ExperimentsArgument = DEFAULT_EXPERIMENT,
    set_: SetOption = [],  # noqa: B006 - typer copies it
    data: DataOption = Path("data"),
    json_: JsonOption = False,
) -> None:
    """Download and verify the data sets of an experiment, on a machine with internet.

    Repeated, it verifies what is there and makes anew what is missing or damaged.

    Where your own files have changed, the images of now get a folder of their own beside the old
    one, and it is said what was altered, added and is gone. What has begun keeps the old one.
    """
    wanted = [named.experiment for named in load_named(experiment, set_, None)]
    # Experiments of a study share data sets.
    tasks = dict.fromkeys((name, each.task[name]) for each in wanted for name in each.data_sets)
    found = []
    for name, images in tasks:
        with prepare_hints(prepare_hint(experiment, set_, data)):
            found.append((name, prepare_task(name, images, data)))
    if json_:
        rows = [
            {
                "task": name,
                "classes": prepared.n_classes,
                "channels": prepared.image_channels,
                "size": prepared.image_size,
                "digest": prepared.digest,
            }
            for name, prepared in found
        ]
        print(json.dumps(rows, indent=2))
        return
    for name, prepared in found:
        size, pool = prepared.image_size, prepared.task.pool
        pooled = f" after pooling by {pool}" if pool != 1 else ""
        print(
            f"{name}: {prepared.n_classes} classes, {prepared.image_channels} x {size} x {size}"
            f"{pooled}, digest {prepared.digest[:12]}"
        )
