"""How far a run is through its stages: the search, then what is trained from scratch after it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from emtnas_hpc.agenda.remaining import stages_of
from emtnas_hpc.experiment import Experiment, StoredExperiment
from emtnas_hpc.history import FILE_NAME
from emtnas_hpc.history.progress import SearchProgress, read_progress
from emtnas_hpc.history.retraining import RECORD_NAME
from emtnas_hpc.history.retraining_progress import read_retraining_progress
from emtnas_hpc.store.paths import SEARCH, RunPaths
from emtnas_hpc.store.reading import read_committed


@dataclass(frozen=True)
class StageProgress:
    """How far a stage is.

    Attributes:
        name: of the stage.
        step: the newest generation or epoch that is committed; 0 before the first.
        n_steps: that it is to reach; None where that cannot be read.
        seconds: of a generation or epoch; nan where none has been measured.
        finished: whether nothing of it is left.
        task: that a retraining trains on; empty before its first commit, and of the search.
        test_accuracy: of a retraining, in [0, 1]; None until it is finished, nan if it diverged.
        diverged: of a retraining, whether a loss of it was no finite number.
    """

    name: str
    step: int = 0
    n_steps: int | None = None
    seconds: float = math.nan
    finished: bool = False
    task: str = ""
    test_accuracy: float | None = None
    diverged: bool = False


@dataclass(frozen=True)
class Ahead:
    """Work that is ahead of a run, as far as it can be told.

    Attributes:
        seconds: of those stages of which steps have been measured; nan if there is none of them.
        unmeasured: names of the other stages that are not finished.
    """

    seconds: float
    unmeasured: tuple[str, ...]

    @property
    def known_s(self) -> float:
        """The seconds; 0 if nothing was measured."""
        return 0.0 if math.isnan(self.seconds) else self.seconds


def read_search(paths: RunPaths) -> SearchProgress | None:
    """How far the search is; None before its first commit.

    Raises:
        DamagedError: no commit can be read.
    """
    return read_committed(paths.search, FILE_NAME, read_progress)


def stage_names(
    paths: RunPaths, stored: StoredExperiment | None, experiment: Experiment | None
) -> Sequence[str]:
    """The stages of a run, in the order in which they are done; at least one.

    Args:
        paths: of the run.
        stored: what the directory says of itself.
        experiment: what the run is for, where that is known.
    """
    if stored is not None and not stored.signatures:
        # Made for architectures from elsewhere: nothing is searched there.
        return [stage.name for stage in paths.retrainings()] or [SEARCH]
    return stages_of(experiment) if experiment else [SEARCH]


def search_stage(progress: SearchProgress | None, experiment: Experiment | None) -> StageProgress:
    """The search as a stage.

    Args:
        progress: of it; None before its first commit.
        experiment: what the run is for, where that is known.
    """
    if progress is None:
        return StageProgress(SEARCH, n_steps=experiment.search.generations if experiment else None)
    generation, last = progress.generation, progress.header.n_generations
    return StageProgress(SEARCH, generation, last, progress.seconds, generation == last)


def read_retraining_stage(
    paths: RunPaths, name: str, experiment: Experiment | None
) -> StageProgress:
    """How far a retraining is; reads its newest record, and no weights.

    Args:
        paths: of the run.
        name: of the stage.
        experiment: what the run is for, where that is known.

    Raises:
        DamagedError: no commit can be read.
    """
    progress = read_committed(paths.stage(name), RECORD_NAME, read_retraining_progress)
    if progress is None:
        return retraining_ahead(name, experiment)
    accuracy = progress.test_accuracy
    return StageProgress(
        name,
        progress.epoch,
        progress.n_epochs,
        progress.seconds,
        accuracy is not None,
        progress.task,
        accuracy,
        progress.diverged,
    )


def retraining_ahead(name: str, experiment: Experiment | None) -> StageProgress:
    """A retraining that has not begun."""
    return StageProgress(name, n_steps=experiment.retraining.epochs if experiment else None)


def under_way(stages: Sequence[StageProgress]) -> StageProgress:
    """The first that is not finished; of a run that is done, the last."""
    return next((stage for stage in stages if not stage.finished), stages[-1])


def work_ahead(stages: Iterable[StageProgress], paces: Mapping[str, float]) -> Ahead:
    """The work of these stages to their end.

    Args:
        stages: of a run.
        paces: seconds of a step by the name of the stage, where they have been measured.
    """
    seconds, unmeasured = [], []
    for stage in stages:
        if stage.finished:
            continue
        pace = paces.get(stage.name, math.nan)
        if stage.n_steps is None or math.isnan(pace):
            unmeasured.append(stage.name)
        else:
            seconds.append(pace * (stage.n_steps - stage.step))
    return Ahead(sum(seconds) if seconds else math.nan, tuple(unmeasured))
