"""Proof that a search is what it says: repeat a part of it, or compare two runs."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import InputError
from emtnas_hpc.runner.attempts import changes_since, read_attempts
from emtnas_hpc.search.copies import (
    copy_last_two,
    copy_newest_common,
    folder_for_copies,
    is_owned,
    written_there,
)
from emtnas_hpc.search.environment import prepare_environment
from emtnas_hpc.search.history import history_differences
from emtnas_hpc.search.history_file import FILE_NAME
from emtnas_hpc.search.run_dir import read_stored, refuse_other_settings
from emtnas_hpc.search.session import RunSpec, plan_search, prepare_device
from emtnas_hpc.search.stage import SearchStage
from emtnas_hpc.settings.names import StoredExperiment

log = logging.getLogger(__name__)

_TAKEN_UP = "somebody has gone on with the run meanwhile: verify it again"


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
    with folder_for_copies() as folder:
        stage_a, stage_b = (paths.stage(SearchStage.name) for paths in (a, b))
        copies = copy_newest_common(stage_a, stage_b, folder, owned=(is_owned(a), is_owned(b)))
        prepare_environment()

        difference = next(commit_differences(*(copy.directory for copy in copies)), None)
        return Comparison(copies[0].step, difference)


def repeat_newest(paths: RunPaths, data_dir: Path, device: str, *, mend: str) -> Comparison:
    """Repeats the generations from the last commit but one to the newest; the run stays untouched.

    A run with a single commit is repeated from its beginning.

    Args:
        paths: of the run.
        data_dir: where prepared data sets are.
        device: auto, cpu, cuda or cuda:N.
        mend: the command that prepares the run's data, for messages.

    Raises:
        InputError: nothing is committed, or data or device are not there.
        DamagedError: one of the two commits is damaged.
    """
    stored = read_stored(paths) or _refuse_nameless(paths)
    request = RunSpec(stored.experiment, stored.seed, paths, data_dir, device, mend)
    plan = plan_search(request)
    for note in plan.notes:
        log.info(note)
    refuse_other_settings(paths, plan)
    with folder_for_copies() as folder:
        commits = paths.stage(SearchStage.name)
        before, newest = copy_last_two(commits, folder, owned=is_owned(paths))
        chosen, conditions = prepare_device(device, stored.experiment)
        for change in changes_since(read_attempts(paths), conditions):
            log.info(f"here is {change}: equal bits are not promised")

        stage = plan.stage(chosen, lambda _phase, _task: None)
        first = before.step if before else 0
        log.info(f"repeating generations {first + 1} to {newest.step}")
        with storage_errors(commits.directory, "read", _TAKEN_UP):
            state = stage.load(before.directory) if before else stage.start()
        for _step in range(first, newest.step):
            state = stage.advance(state, lambda: False)
        repetition = folder / "repetition"
        with storage_errors(commits.directory, "read", _TAKEN_UP):
            with written_there(folder, newest.directory):
                repetition.mkdir()
                stage.save(state, repetition)
            difference = next(commit_differences(newest.directory, repetition), None)
    return Comparison(newest.step, difference)


def _refuse_nameless(paths: RunPaths) -> StoredExperiment:
    if paths.stage(SearchStage.name).steps():
        raise InputError(
            f"{paths.experiment} is missing; the `run` command that made the run writes it anew"
        )
    raise InputError(f"{paths.directory}: nothing has been committed yet")


def commit_differences(a: Path, b: Path) -> Iterator[str]:
    """Names the files, data sets and tensors that differ; wall-clock readings may.

    Args:
        a: directory of a commit, or of what would be one.
        b: another.
    """
    from emtnas_hpc.supernet.weights import weights_differences  # takes torch

    files_a, files_b = _files(a), _files(b)
    for name in sorted(files_a ^ files_b):
        yield f"{name} is in one of them only"
    yield from history_differences(a / FILE_NAME, b / FILE_NAME)
    for name in sorted((files_a & files_b) - {FILE_NAME}):
        yield from weights_differences(a / name, b / name)


def _files(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if path.name != "manifest.json"}
