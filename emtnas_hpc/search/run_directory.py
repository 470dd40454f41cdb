"""What a run directory says it is for, and whether that is what was asked for."""

from emtnas_hpc.errors import InputError
from emtnas_hpc.experiment import (
    Experiment,
    StoredExperiment,
    difference,
    dump_stored,
    identify,
    parse_stored,
)
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.stage import SearchStage
from emtnas_hpc.store.claim import Claim
from emtnas_hpc.store.durable import write_file
from emtnas_hpc.store.manifest import Damage, find_damage, read_manifest
from emtnas_hpc.store.paths import RunPaths


def refuse_other_settings(paths: RunPaths, plan: SearchPlan) -> StoredExperiment | None:
    """Refuses a run directory that was made with other settings or other data.

    Returns:
        What the directory says of itself, None if it says nothing yet.

    Raises:
        InputError: naming the difference.
    """
    stored = read_stored(paths)
    if stored is None:
        return None
    there, asked = stored.identity, plan.identity
    if there.signature != asked.signature:
        raise InputError(
            f"{paths.directory} was made with other settings: "
            f"{difference(there.values, asked.values)}; use those, or another --name"
        )
    return stored


def read_stored(paths: RunPaths) -> StoredExperiment | None:
    """The experiment that a run directory says it is of; None if it says nothing yet.

    Raises:
        InputError: the file is there but cannot be understood.
    """
    try:
        text = paths.experiment.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{paths.experiment} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{paths.experiment} cannot be read: {error}") from None
    return parse_stored(text, str(paths.experiment))


def store_experiment(paths: RunPaths, plan: SearchPlan, claim: Claim) -> str:
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
        claim.check()
        write_file(paths.experiment, dump_stored(stored), claim.token)
    return stored.signatures[SearchStage.name]


def is_finished(paths: RunPaths, experiment: Experiment, seed: int) -> bool:
    """Whether the last generation of this search is committed and good; its data may be gone."""
    stored = read_stored(paths)
    if stored is None:
        return False
    asked = identify(experiment, seed, stored.data)
    if asked.signature != stored.identity.signature:
        return False
    last = paths.stage(SearchStage.name).commit(experiment.search.generations)
    manifest = read_manifest(last)
    if isinstance(manifest, Damage):
        return False
    return not find_damage(last, manifest, manifest.files)
