"""A disk that is really full, which takes root to mount; and files that may not grow."""

import os
import resource
import subprocess
from pathlib import Path

import pytest
from counting import Chain, CountingStage, expected_state, run_counting

from emtnas_hpc.checkpoint.commits import read_newest
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import StorageError
from emtnas_hpc.runner.loop import Outcome

MIB = 1 << 20


class HeavyStage(CountingStage):
    """Each commit takes three mebibytes more."""

    def save(self, state: Chain, directory: Path) -> None:
        super().save(state, directory)
        (directory / "heavy.pt").write_bytes(os.urandom(3 * MIB))


def test_a_full_disk_is_named_the_old_commit_stays_and_the_run_goes_on_once_there_is_room(
    small_disk: Path,
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(MIB))
    directory = small_disk / "run"
    stage = RunPaths(directory).stage("search")
    with pytest.raises(StorageError, match=r"cannot write .*000003: No space left.* make room"):
        run_counting(directory, HeavyStage(4))
    assert [path.name for path in sorted(stage.directory.iterdir())] == ["000001", "000002"]
    assert read_newest(stage, "state.txt", Path.read_text) == expected_state(2)
    assert not RunPaths(directory).owner.exists()
    ballast.unlink()
    with pytest.raises(StorageError):
        run_counting(directory, HeavyStage(4))
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    assert run_counting(directory, HeavyStage(4)) is Outcome.DONE
    assert read_newest(stage, "state.txt", Path.read_text) == expected_state(4)


def test_a_file_that_may_not_grow_is_named_the_old_commit_stays_and_the_run_goes_on(
    directory: Path,
) -> None:
    stage = RunPaths(directory).stage("search")
    assert run_counting(directory, CountingStage(2)) is Outcome.DONE
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"cannot write .*000003'?: File too large"):
            run_counting(directory, HeavyStage(4))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in sorted(stage.directory.iterdir())] == ["000001", "000002"]
    assert not RunPaths(directory).owner.exists()
    assert run_counting(directory, HeavyStage(4)) is Outcome.DONE
    assert read_newest(stage, "state.txt", Path.read_text) == expected_state(4)
