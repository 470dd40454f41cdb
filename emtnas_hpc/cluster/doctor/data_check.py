"""Whether the data of an experiment lies ready: jobs never download."""

from collections.abc import Iterator
from pathlib import Path

from emtnas_hpc.cluster.doctor.finding import Finding, fine, wrong
from emtnas_hpc.data import open_data, parse_source
from emtnas_hpc.data.copies import copy_folders, current_copy, read_copies
from emtnas_hpc.errors import InputError
from emtnas_hpc.experiment import Experiment


def check_data(experiment: Experiment, data: Path, mend: str) -> Iterator[Finding]:
    """A finding for every task; what lies there is looked at, but not all of it read.

    Args:
        experiment: whose data.
        data: where prepared data is.
        mend: the command that prepares it.
    """
    for name in experiment.data_sets:
        check = f"data of {name}"
        try:
            source = parse_source(experiment.task[name], f"task.{name}.source")
            copies = read_copies(data, source)
            copy = current_copy(copies, source)
            if copies and copy is None:
                yield fine(check, f"{source.argument} has changed; `launch` makes it ready anew")
            elif copy_folders(data, source) or source.needs_download:
                open_data(name, experiment.task[name], data, mend=mend)
                yield fine(check, f"ready in {copy.folder if copy else data / source.key}")
            else:
                yield fine(check, "not there yet; needs no download, `launch` makes it ready")
        except InputError as error:
            found, _, advice = str(error).partition("; ")
            yield wrong(check, found, advice)
