"""A disk that is really full: a small tmpfs, which takes root to mount."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from counting import Chain, CountingStage, expected_state, run_counting

from emtnas_hpc.errors import StorageError
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.reading import read_newest

MIB = 1 << 20


class HeavyStage(CountingStage):
    """Each commit takes a mebibyte and a half more; `write` writes it."""

    def __init__(self, n_steps: int, write: Callable[[Path], None]) -> None:
        super().__init__(n_steps)
        self._write = write

    def save(self, state: Chain, directory: Path) -> None:
        super().save(state, directory)
        self._write(directory / "heavy.pt")


def _write_plainly(path: Path) -> None:
    path.write_bytes(os.urandom(3 * MIB // 2))


def _write_with_a_library_that_hides_why(path: Path) -> None:
    try:
        _write_plainly(path)
    except OSError:
        raise RuntimeError("unexpected pos 576 vs 534") from None


def _write_with_torch(path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"weight": torch.zeros(3 * MIB // 8)}, path)


@pytest.mark.parametrize(
    "write", [_write_plainly, _write_with_a_library_that_hides_why, _write_with_torch]
)
def test_a_full_disk_is_named_the_old_commit_stays_and_the_run_goes_on_once_there_is_room(
    small_disk: Path, write: Callable[[Path], None]
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(MIB // 2))
    directory = small_disk / "run"
    stage = RunPaths(directory).stage("search")
    with pytest.raises(StorageError, match=r"cannot write .*000003: No space left.* make room"):
        run_counting(directory, HeavyStage(4, write))
    assert [path.name for path in sorted(stage.directory.iterdir())] == ["000001", "000002"]
    assert read_newest(stage, "state.txt", Path.read_text) == expected_state(2)
    assert not RunPaths(directory).owner.exists()
    ballast.unlink()
    with pytest.raises(StorageError):
        run_counting(directory, HeavyStage(4, write))
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    assert run_counting(directory, HeavyStage(4, write)) is Outcome.DONE
    assert read_newest(stage, "state.txt", Path.read_text) == expected_state(4)
