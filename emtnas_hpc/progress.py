"""The stages of a run, and how far each is; neither data nor h5py is needed to tell."""

from dataclasses import replace

from emtnas_hpc.checkpoint.commits import newest_commit, read_committed
from emtnas_hpc.checkpoint.manifest import Summary
from emtnas_hpc.checkpoint.paths import SEARCH, StagePaths, retraining_stage
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.names import recipe_label, retraining_name


def stages_of(experiment: Experiment) -> tuple[str, ...]:
    """The names of all stages of a run, in the order in which they are done."""
    settings = experiment.retraining
    label = recipe_label(settings)
    return (
        SEARCH,
        *(
            retraining_stage(retraining_name(task, found_on, n_normal, label))
            for found_on, task in experiment.retrained
            for n_normal in settings.normal_cells
        ),
    )


def read_progress(stage: StagePaths) -> Summary | None:
    """How far a stage is; None before its first commit.

    Raises:
        DamagedError: there are commits, and none can be read.
        StorageError: the newest one refuses to be read.
    """
    commit = newest_commit(stage)
    if commit is None:
        return None
    if commit.manifest.summary is not None:
        return commit.manifest.summary
    # Of a version whose manifests had no summary; what reads the record itself is slow to import.
    found = _summary_of_history(stage) if stage.name == SEARCH else _summary_of_record(stage)
    return found and replace(found, n_bytes=commit.manifest.n_bytes)


def _summary_of_history(stage: StagePaths) -> Summary | None:
    from emtnas_hpc.search.history_file import read_history

    history = read_committed(stage, stage.record, read_history)
    return None if history is None else history.summary


def _summary_of_record(stage: StagePaths) -> Summary | None:
    from emtnas_hpc.retraining.record import read_retraining

    retraining = read_committed(stage, stage.record, read_retraining)
    return None if retraining is None else retraining.summary
