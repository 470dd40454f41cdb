"""The same search under another name: what is finished there need not be searched again."""

from pathlib import Path

from emtnas_hpc.errors import EmtnasError
from emtnas_hpc.experiment import rename
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.run_directory import is_finished, read_stored
from emtnas_hpc.search.stage import SearchStage
from emtnas_hpc.store.paths import RunPaths, runs_below


def finished_elsewhere(runs: Path, plan: SearchPlan) -> RunPaths | None:
    """The run directory, of whatever experiment, in which this very search is finished.

    Names count for nothing, signatures do; each is computed anew from what a directory says of
    itself. Of several the first by name; what cannot be read is no such directory.

    Args:
        runs: where run directories are.
        plan: one seed with its data.
    """
    signature = plan.identity.signature
    candidates = runs_below(runs, plan.seed)
    return next((paths for paths in candidates if _is_it(paths, plan, signature)), None)


def _is_it(paths: RunPaths, plan: SearchPlan, signature: str) -> bool:
    experiment = plan.experiment
    try:
        # Few directories come to the last question, which reads all of a commit.
        if paths.stage(SearchStage.name).steps()[-1:] != [experiment.search.generations]:
            return False
        # It goes on under the name of its folder, which may be none for an experiment.
        rename(experiment, paths.directory.parent.name)
        stored = read_stored(paths)
        return (
            stored is not None
            and stored.identity.signature == signature
            and is_finished(paths, experiment, plan.seed)
        )
    except EmtnasError:
        return False
