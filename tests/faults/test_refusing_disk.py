"""The disk refuses the k-th call, for every k: a clear error, old commits intact, the same end."""

import errno
import shutil
from itertools import count
from pathlib import Path

import pytest
from counting import CountingStage, expected_state, run_counting
from interposed import NEED_ROOM, before_every_call

from emtnas_hpc.checkpoint.commits import read_newest
from emtnas_hpc.checkpoint.manifest import Manifest, find_damage, read_manifest
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import EmtnasError

pytestmark = pytest.mark.slow

N_BEFORE, N_STEPS = 2, 3


class Disk:
    """Refuses calls from the k-th on, counted from 1: that one only, or all that need room."""

    def __init__(self, k: int, number: int, forever: bool) -> None:
        self.n_calls = 0
        self._k = k
        self._number = number
        self._forever = forever

    def __call__(self, name: str) -> None:
        self.n_calls += 1
        is_full = self._forever and name in NEED_ROOM and self.n_calls > self._k
        if is_full or self.n_calls == self._k:
            raise OSError(self._number, "refused")


def _whole_commits(paths: RunPaths) -> list[int]:
    stage = paths.stage("search")
    whole = []
    for step in stage.steps():
        manifest = read_manifest(stage.commit(step))
        assert isinstance(manifest, Manifest)
        assert find_damage(stage.commit(step), manifest, manifest.files) == []
        whole.append(step)
    return whole


def _refused(directory: Path, disk: Disk) -> bool:
    """Whether the run ended with one of our errors; any other exception fails the test."""
    with before_every_call(disk):
        try:
            run_counting(directory, CountingStage(N_STEPS))
        except EmtnasError as error:
            return "\n" not in str(error)
    return False


@pytest.mark.parametrize(
    ("number", "forever"),
    [(errno.EIO, False), (errno.ENOSPC, False), (errno.ENOSPC, True)],
    ids=["one I/O error", "full for a moment", "full from then on"],
)
def test_wherever_the_disk_refuses_commits_stay_whole_and_a_restart_ends_the_run(
    tmp_path: Path, number: int, forever: bool
) -> None:
    pristine = tmp_path / "pristine"
    run_counting(pristine, CountingStage(N_BEFORE))
    n_refusals = 0
    for k in count(1):
        directory = tmp_path / f"refused at {k}"
        shutil.copytree(pristine, directory)
        disk = Disk(k, number, forever)
        n_refusals += _refused(directory, disk)
        if disk.n_calls < k:
            break
        paths = RunPaths(directory)
        assert max(_whole_commits(paths)) >= N_BEFORE
        # Unlike this process, one whose release was refused would be dead by now.
        run_counting(directory, CountingStage(N_STEPS), take_over=True)
        state = read_newest(paths.stage("search"), "state.txt", Path.read_text)
        assert state == expected_state(N_STEPS)
        shutil.rmtree(directory)
    assert n_refusals > 30


def test_an_event_that_the_disk_refuses_does_not_end_the_run(tmp_path: Path) -> None:
    def refuse_events(name: str) -> None:
        if name == "write" and (tmp_path / "search").exists():
            raise OSError(errno.ENOSPC, "full")

    with before_every_call(refuse_events):
        run_counting(tmp_path, CountingStage(N_STEPS))
    state = read_newest(RunPaths(tmp_path).stage("search"), "state.txt", Path.read_text)
    assert state == expected_state(N_STEPS)
