"""What a run directory says it is for, and whether that is what was asked for."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from emtnas_hpc.checkpoint.atomic import write_file
from emtnas_hpc.checkpoint.manifest import Manifest, find_all_damage, read_manifest, short
from emtnas_hpc.checkpoint.os_errors import read_if_there
from emtnas_hpc.checkpoint.ownership import Lease
from emtnas_hpc.checkpoint.paths import RunPaths, runs_of
from emtnas_hpc.data.copies import Begun
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.errors import DamagedError, InputError, StorageError, StoredError, shown
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.stage import SearchStage
from emtnas_hpc.settings.experiment import Experiment, difference, identify
from emtnas_hpc.settings.names import StoredExperiment, dump_stored, parse_stored


def refuse_other_settings(paths: RunPaths, plan: SearchPlan) -> StoredExperiment | None:
    """Refuses a run directory that was made with other settings or other data.

    Returns:
        What the directory says of itself, None if it says nothing (any more).

    Raises:
        InputError: naming the difference.
        DamagedError: what it is for can be read neither from its settings nor from a commit.
    """
    stored = read_stored(paths)
    if stored is None:
        _refuse_other_commits(paths, plan)
        return None
    there, asked = stored.identity, plan.identity
    if there.signature != asked.signature:
        raise InputError(
            f"{paths.directory} was made with other settings: "
            f"{difference(there.values, asked.values)}; use those, or another --name"
        )
    return stored


def _refuse_other_commits(paths: RunPaths, plan: SearchPlan) -> None:
    """Commits outlive an experiment.toml that was deleted, and carry its signature."""
    stage, asked = paths.stage(SearchStage.name), plan.identity.signature
    manifests = [read_manifest(stage.commit(step)) for step in stage.steps()]
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


def read_stored(paths: RunPaths) -> StoredExperiment | None:
    """The experiment that a run directory says it is of; None if it says nothing yet.

    Raises:
        StoredError: the file is there but cannot be understood.
        StorageError: it cannot be read.
    """
    content = read_if_there(paths.experiment)
    if content is None:
        return None
    try:
        return parse_stored(content.decode().removeprefix("\ufeff"), str(paths.experiment))
    except UnicodeDecodeError as error:
        raise StoredError(f"{paths.experiment} cannot be read: {error}") from None


def images_begun_with(paths: RunPaths, experiment: Experiment) -> dict[str, Begun]:
    """The images, by task, that a run has begun with; of a new one those of its other seeds.

    What goes by one name is averaged, so its seeds are to see the same images.

    Raises:
        InputError: the experiment.toml of the run cannot be understood.
    """
    remedy = "a run under another --name or --runs takes the images of now"
    stored = read_stored(paths)
    if stored is not None:
        return _images_of(stored, "this run", remedy)
    begun: dict[str, Begun] = {}
    for seed in _readable_seeds(paths):
        what = f"seed {seed.seed} of {experiment.name}"
        for name, images in _images_of(seed, what, remedy).items():
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


def _readable_seeds(paths: RunPaths) -> Iterator[StoredExperiment]:
    for seed in runs_of(paths.directory.parent):
        with suppress(InputError, StorageError):
            if stored := read_stored(seed):
                yield stored


def store_experiment(paths: RunPaths, plan: SearchPlan, lease: Lease) -> str:
    """Says what the directory is for, once; returns the signature that its commits carry.

    That is the stored one: a later version may know more settings, and then computes another for
    the same search.
    """
    # Again, now that nobody else may be writing it.
    stored = refuse_other_settings(paths, plan)
    if stored is None:
        stored = StoredExperiment(
            plan.experiment,
            plan.seed,
            {name: plan.data[name].digest for name in plan.experiment.tasks},
            {SearchStage.name: plan.identity.signature},
        )
        lease.check()
        write_file(paths.experiment, dump_stored(stored), lease.token)
    else:
        store_what_may_change(paths, plan.experiment, lease)
    return stored.signatures[SearchStage.name]


def store_what_may_change(paths: RunPaths, experiment: Experiment, lease: Lease) -> None:
    """Says which retrainings the run is asked for now, and how it is carried out."""
    stored = read_stored(paths)
    if stored is None:
        return
    changed = replace(stored, experiment=with_what_may_change(stored.experiment, experiment))
    if changed == stored:
        return
    lease.check()
    write_file(paths.experiment, dump_stored(changed), lease.token)


def with_what_may_change(stored: Experiment, asked: Experiment) -> Experiment:
    """What is stored, with all that is asked for now and is no part of the search's identity.

    That is which retrainings, with the images of their transfers, and how it is all carried out.
    """
    own = {name: stored.task[name] for name in stored.tasks}
    others = {name: images for name, images in asked.task.items() if name not in own}
    return stored.model_copy(
        update={"retraining": asked.retraining, "run": asked.run, "task": {**others, **own}}
    )


def is_finished(paths: RunPaths, experiment: Experiment, seed: int) -> bool:
    """Whether the last generation of this search is committed and good; its data may be gone.

    A directory that calls itself a later generation is for the owner of the run to set aside.
    """
    stored = read_stored(paths)
    if stored is None:
        return False
    asked = identify(experiment, seed, stored.data)
    if asked.signature != stored.identity.signature:
        return False
    stage, last = paths.stage(SearchStage.name), experiment.search.generations
    return stage.steps()[-1:] == [last] and not find_all_damage(stage.commit(last))
