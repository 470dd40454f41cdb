"""One seed of what a user asks to run, in the directory that it is carried on in."""

from dataclasses import dataclass, replace
from pathlib import Path

from emtnas_hpc.agenda.remaining import stages_left
from emtnas_hpc.agenda.reuse import finished_elsewhere
from emtnas_hpc.cli.events import Who
from emtnas_hpc.cli.named_experiment import Named
from emtnas_hpc.errors import DamagedError, EmtnasError, StorageError, StoredError
from emtnas_hpc.experiment import Experiment, rename
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.run_directory import read_stored
from emtnas_hpc.search.session import SearchRequest
from emtnas_hpc.store.paths import RunPaths, runs_below
from emtnas_hpc.store.refusals import is_there


@dataclass(frozen=True)
class SeedOrder:
    """One seed of an experiment.

    Attributes:
        named: its experiment.
        request: its search, and where.
        who: it is, among all.
    """

    named: Named
    request: SearchRequest
    who: Who

    def elsewhere(self, runs: Path, plan: SearchPlan | None) -> "SeedOrder | None":
        """The same in the directory of another name where its search is finished, if there is one.

        Args:
            runs: where run directories are.
            plan: of its search; None where its data is gone.
        """
        request = self.request
        if plan is None:
            found = done_elsewhere(request.paths, runs, request.experiment, request.seed)
        else:
            found = reusable(request.paths, runs, plan)
        if found is None:
            return None
        experiment = rename(request.experiment, found.directory.parent.name)
        return replace(self, request=replace(request, paths=found, experiment=experiment))


def reusable(own: RunPaths, runs: Path, plan: SearchPlan) -> RunPaths | None:
    """Where this search is finished, unless its own directory is there."""
    return None if is_there(own.directory) else finished_elsewhere(runs, plan)


def done_elsewhere(own: RunPaths, runs: Path, experiment: Experiment, seed: int) -> RunPaths | None:
    """Where all of an experiment is done, so that its data, which is gone, is needed no more.

    The digests of the data cannot be compared: that it came from the same source has to do.
    """
    if is_there(own.directory):
        return None
    candidates = runs_below(runs, seed)
    return next((paths for paths in candidates if _is_done(paths, experiment, seed)), None)


def has_work(paths: RunPaths, experiment: Experiment, seed: int) -> bool:
    """Whether a stage is left to be done; of what cannot be read nobody can tell, and none is."""
    try:
        return bool(stages_left(paths, experiment, seed))
    except (StorageError, DamagedError, StoredError):
        return False


def _is_done(paths: RunPaths, experiment: Experiment, seed: int) -> bool:
    try:
        stored = read_stored(paths)
        if stored is None or _sources(stored.experiment) != _sources(experiment):
            return False
        return not stages_left(paths, rename(experiment, paths.directory.parent.name), seed)
    except EmtnasError:
        return False


def _sources(experiment: Experiment) -> dict[str, str]:
    return {name: experiment.task[name].source for name in experiment.tasks}


def said_of(found: RunPaths) -> str:
    """What to tell of a seed that is carried on elsewhere."""
    return f"this search is finished in {found.directory}, which is used"
