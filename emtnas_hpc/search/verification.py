"""Proof that a search is what it says: repeat a part of it, or hold two runs against each other."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.errors import DamagedError, InputError
from emtnas_hpc.search.environment import prepare_environment
from emtnas_hpc.search.session import SearchRequest, plan_search, read_stored, refuse_other_settings
from emtnas_hpc.search.stage import SearchStage
from emtnas_hpc.store.manifest import Damage, find_damage, read_manifest
from emtnas_hpc.store.paths import RunPaths


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes:
        step: the generation that was compared.
        difference: the first one by name; None if there is none.
    """

    step: int
    difference: str | None


def compare_newest(a: RunPaths, b: RunPaths) -> Comparison:
    """Compares the newest generation that two runs have both committed.

    Raises:
        InputError: there is none.
        DamagedError: one of the two commits is damaged.
    """
    prepare_environment()
    from emtnas_hpc.search.comparison import commit_differences

    stages = [paths.stage(SearchStage.name) for paths in (a, b)]
    common = set(stages[0].steps()) & set(stages[1].steps())
    if not common:
        found = " and ".join(str(stage.steps()) for stage in stages)
        raise InputError(f"the runs have no generation in common, found commits {found}")
    step = max(common)
    commits = [_good(stage.commit(step)) for stage in stages]
    return Comparison(step, next(commit_differences(*commits), None))


def repeat_newest(
    paths: RunPaths, data_dir: Path, device: str, *, say: Callable[[str], None]
) -> Comparison:
    """Repeats the generations from the last commit but one to the newest; the run stays untouched.

    A run with a single commit is repeated from its beginning.

    Args:
        paths: of the run.
        data_dir: where prepared data sets are.
        device: auto, cpu, cuda or cuda:N.
        say: told what is being done.

    Raises:
        InputError: nothing is committed, or data or device are not there.
        DamagedError: one of the two commits is damaged.
    """
    stored = read_stored(paths)
    steps = paths.stage(SearchStage.name).steps()
    if stored is None or not steps:
        raise InputError(f"{paths.directory}: nothing has been committed yet")
    request = SearchRequest(
        stored.experiment, stored.seed, paths, data_dir, device, mend="emtnas-hpc prepare"
    )
    plan = plan_search(request, say)
    refuse_other_settings(paths, plan)
    prepare_environment()
    from emtnas_hpc.search.comparison import commit_differences
    from emtnas_hpc.search.device import choose_device
    from emtnas_hpc.supernet.determinism import prepare_torch

    chosen = choose_device(device)
    prepare_torch(stored.experiment.threads, chosen)
    stage = plan.stage(chosen, lambda _phase, _task: None)
    before, newest = (0, *steps)[-2:]
    say(f"repeating generations {before + 1} to {newest}")
    commit = paths.stage(SearchStage.name).commit
    target = _good(commit(newest))
    state = stage.load(_good(commit(before))) if before else stage.start()
    for _step in range(before, newest):
        state = stage.advance(state, lambda: False)
    with tempfile.TemporaryDirectory() as directory:
        stage.save(state, Path(directory))
        return Comparison(newest, next(commit_differences(target, Path(directory)), None))


def _good(directory: Path) -> Path:
    """The commit, if it is what its manifest says."""
    manifest = read_manifest(directory)
    damage = (
        [manifest]
        if isinstance(manifest, Damage)
        else find_damage(directory, manifest, manifest.files)
    )
    if damage:
        raise DamagedError(f"{directory} is damaged: {damage[0]}")
    return directory
