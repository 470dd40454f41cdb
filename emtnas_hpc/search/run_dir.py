"""What a run directory is for, which images it has begun with, and the search it has left."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from emtnas_hpc.checkpoint.atomic import write_file
from emtnas_hpc.checkpoint.manifest import Manifest, find_all_damage, read_manifest, short
from emtnas_hpc.checkpoint.ownership import Lease
from emtnas_hpc.checkpoint.paths import SEARCH, RunPaths, runs_below, runs_of
from emtnas_hpc.data.opening import Begun, open_task
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.errors import (
    DamagedError,
    DataError,
    EmtnasError,
    InputError,
    StorageError,
    StoredError,
    shown,
)
from emtnas_hpc.search.spec import RunSpec, SearchPlan
from emtnas_hpc.settings.experiment import Experiment, StageIdentity, difference, identify
from emtnas_hpc.settings.names import StoredExperiment, dump_stored, read_stored, rename

log = logging.getLogger(__name__)

_IMAGES_OF_NOW = "a run under another --name or --runs takes the images of now"


def plan_search(spec: RunSpec) -> SearchPlan:
    """Opens the data of every task; what needs no download is prepared if need be.

    For a run that has begun these are the images that it began with, even if the user's files have
    changed; a log line says so.

    Raises:
        DataError: data is missing, damaged or does not fit.
        InputError: the images that the run has begun with are gone.
    """
    plan = _open_plan(spec, images_begun_with(spec.paths, spec.experiment))
    for note in plan.notes:
        log.info(note)
    return plan


def plan_seeds(specs: Sequence[RunSpec]) -> dict[int, SearchPlan]:
    """As `plan_search`, for seeds of one experiment; data that they share is opened once.

    The caller prints the notes, each once.
    """
    plans: dict[int, SearchPlan] = {}
    opened: dict[tuple[tuple[str, Begun], ...], SearchPlan] = {}
    # Read once: each new seed would read the experiment.toml of all others.
    by_folder: dict[Path, dict[str, Begun]] = {}
    for spec in specs:
        begun: dict[str, Begun] = {}
        folder = spec.paths.directory.parent
        with suppress(StorageError, StoredError):
            # A run that cannot be read is refused by its own start; the others can still start.
            stored = read_stored(spec.paths)
            if stored is not None:
                begun = _images_of_run(spec.paths, stored, spec.experiment)
            else:
                if folder not in by_folder:
                    by_folder[folder] = _images_of_seeds(folder, spec.experiment)
                begun = by_folder[folder]
        key = tuple(begun.items())
        if key not in opened:
            opened[key] = _open_plan(spec, begun)
        plans[spec.seed] = replace(opened[key], seed=spec.seed)
    return plans


def _open_plan(spec: RunSpec, begun: Mapping[str, Begun]) -> SearchPlan:
    tasks = spec.experiment.task
    data = {
        name: open_task(name, tasks[name], spec.data_dir, begun=begun.get(name))
        for name in spec.experiment.tasks
    }
    return SearchPlan(spec.experiment, spec.seed, data)


def search_left(spec: RunSpec) -> SearchPlan | None:
    """The plan of a search that has work left; None for a finished one, whose data may be gone.

    If the source has changed since, its prepared copy must be there even for a finished one.

    Raises:
        InputError: data is not there, or the run directory belongs to other settings.
    """
    try:
        plan = plan_search(spec)
    except DataError:
        if is_finished(spec.paths, spec.experiment, spec.seed):
            return None
        raise
    stored = refuse_other_settings(spec.paths, plan)
    return None if stored and is_finished(spec.paths, spec.experiment, spec.seed) else plan


def find_finished(runs: Path, plan: SearchPlan) -> RunPaths | None:
    """The run directory, of whatever experiment, in which this very search is finished.

    Signatures are compared, never names; each is computed anew from the experiment.toml. Of several
    directories the first by name is taken; one that cannot be read is passed over.
    """
    signature = plan.identity.signature
    candidates = runs_below(runs, plan.seed)
    return next((paths for paths in candidates if _finished(paths, plan, signature)), None)


def _finished(paths: RunPaths, plan: SearchPlan, signature: str) -> bool:
    experiment = plan.experiment
    try:
        # The last question reads all of a commit: few directories come to it.
        if paths.search.steps()[-1:] != [experiment.search.generations]:
            return False
        # The run continues under the name of its folder, which may be none for an experiment.
        rename(experiment, paths.directory.parent.name)
        stored = read_stored(paths)
        return (
            stored is not None
            and stored.identity.signature == signature
            and is_finished(paths, experiment, plan.seed)
        )
    except EmtnasError:
        return False


def is_finished(paths: RunPaths, experiment: Experiment, seed: int) -> bool:
    """Whether the last generation of this search is committed and good; its data may be gone.

    A directory with a later generation is not finished: the owner of the run sets it aside.
    """
    stored = read_stored(paths)
    if stored is None:
        return False
    if identify(experiment, seed, stored.data).signature != stored.identity.signature:
        return False
    last = experiment.search.generations
    return paths.search.steps()[-1:] == [last] and not find_all_damage(paths.search.commit(last))


def refuse_other_settings(paths: RunPaths, plan: SearchPlan) -> StoredExperiment | None:
    """Refuses a run directory that was made with other settings or other data.

    Returns:
        The content of its experiment.toml, None where that is missing.

    Raises:
        InputError: naming the difference.
        DamagedError: experiment.toml is missing, and no commit can be read.
    """
    stored = read_stored(paths)
    if stored is None:
        _refuse_other_commits(paths, plan)
        return None
    _refuse_difference(paths, stored.identity, plan.identity)
    return stored


def _refuse_difference(paths: RunPaths, there: StageIdentity, asked: StageIdentity) -> None:
    if there.signature != asked.signature:
        raise InputError(
            f"{paths.directory} was made with other settings: "
            f"{difference(there.values, asked.values)}; use those, or another --name"
        )


def _refuse_other_commits(paths: RunPaths, plan: SearchPlan) -> None:
    """Commits outlive an experiment.toml that was deleted, and carry its signature."""
    asked = plan.identity.signature
    manifests = [read_manifest(paths.search.commit(step)) for step in paths.search.steps()]
    there = {manifest.signature for manifest in manifests if isinstance(manifest, Manifest)}
    if manifests and not there:
        raise DamagedError(
            f"{paths.experiment} is missing, and no commit can be read; restore one from a backup, "
            f"or move {paths.directory} away to begin anew"
        )
    if there - {asked}:
        raise InputError(
            f"{paths.experiment} is missing, and the commits were made with other settings or data "
            f"(signature {', '.join(sorted(map(short, there)))}, here {short(asked)}); use those, "
            "or another --name"
        )


def images_begun_with(paths: RunPaths, experiment: Experiment) -> dict[str, Begun]:
    """The images, by task, that a run has begun with; for a new run those of its other seeds.

    Runs of one name are averaged, so all its seeds are to see the same images.

    Raises:
        InputError: the experiment.toml of the run cannot be understood, or has other settings.
    """
    stored = read_stored(paths)
    if stored is not None:
        return _images_of_run(paths, stored, experiment)
    return _images_of_seeds(paths.directory.parent, experiment)


def _images_of_run(
    paths: RunPaths, stored: StoredExperiment, experiment: Experiment
) -> dict[str, Begun]:
    # Other settings are refused before data is opened, which might be prepared for them.
    there, asked = (identify(each, stored.seed, {}) for each in (stored.experiment, experiment))
    _refuse_difference(paths, there, asked)
    return _images_of(stored, "this run", _IMAGES_OF_NOW)


def _images_of_seeds(folder: Path, experiment: Experiment) -> dict[str, Begun]:
    """The images that the readable runs in an experiment's folder have begun with."""
    begun: dict[str, Begun] = {}
    for run in runs_of(folder):
        stored = None
        with suppress(InputError, StorageError):
            stored = read_stored(run)
        if stored is None:
            continue
        what = f"seed {stored.seed} of {experiment.name}"
        for name, images in _images_of(stored, what, _IMAGES_OF_NOW).items():
            asked = experiment.task.get(name)
            if asked and parse_source(asked).key == parse_source(images.task).key:
                begun.setdefault(name, images)
    return begun


def images_searched(paths: RunPaths) -> dict[str, Begun]:
    """The images, by task, that the search of a run has seen, for its retrainings."""
    stored = read_stored(paths)
    remedy = (
        f"`emtnas-hpc retrain {shown(paths.directory)} --other-images` trains on the images of now"
    )
    return {} if stored is None else _images_of(stored, "the search", remedy)


def _images_of(stored: StoredExperiment, what: str, remedy: str) -> dict[str, Begun]:
    return {
        name: Begun(digest, stored.experiment.task[name], with_test=False, what=what, remedy=remedy)
        for name, digest in stored.data.items()
        if name in stored.experiment.task
    }


def store_experiment(paths: RunPaths, plan: SearchPlan, lease: Lease) -> str:
    """Writes experiment.toml, once; returns the signature that the commits carry.

    That is the stored one: a later version may know more settings, and computes another one for the
    same search.
    """
    # Asked again, now that no other process may be writing it.
    stored = refuse_other_settings(paths, plan)
    if stored is None:
        digests = {name: plan.data[name].digest for name in plan.experiment.tasks}
        signatures = {SEARCH: plan.identity.signature}
        stored = StoredExperiment(plan.experiment, plan.seed, digests, signatures)
        write_stored(paths, stored, lease)
    else:
        store_what_may_change(paths, plan.experiment, lease)
    return stored.signatures[SEARCH]


def store_what_may_change(paths: RunPaths, experiment: Experiment, lease: Lease) -> None:
    """Brings an experiment.toml that is there up to the settings that are asked for now."""
    stored = read_stored(paths)
    if stored is None:
        return
    changed = replace(stored, experiment=with_what_may_change(stored.experiment, experiment))
    if changed != stored:
        write_stored(paths, changed, lease)


def write_stored(paths: RunPaths, stored: StoredExperiment, lease: Lease) -> None:
    """Writes experiment.toml as the owner of the run."""
    lease.check()
    write_file(paths.experiment, dump_stored(stored), lease.token)


def with_what_may_change(stored: Experiment, asked: Experiment) -> Experiment:
    """The stored experiment with all settings of now that are no part of the search's identity.

    These are its retrainings, with the images of transfers, and `run`.
    """
    own = {name: stored.task[name] for name in stored.tasks}
    others = {name: images for name, images in asked.task.items() if name not in own}
    return stored.model_copy(
        update={"retraining": asked.retraining, "run": asked.run, "task": {**others, **own}}
    )
