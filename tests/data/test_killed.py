import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emtnas_hpc.data.dataset import open_copy
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.errors import DataError
from emtnas_hpc.settings.experiment import TaskSettings

#: Prepares a file and dies at the n-th time that something is made durable.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.settings.experiment import TaskSettings

calls, fsync = 0, os.fsync

def dying(descriptor):
    global calls
    calls += 1
    if calls == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)

os.fsync = dying
task = TaskSettings(source="npz:" + sys.argv[2])
prepare("mine", task, Path(sys.argv[3]))
"""


@pytest.mark.parametrize(
    ("moment", "whole"),
    [
        pytest.param(1, False, id="the first array"),
        pytest.param(7, False, id="the names"),
        pytest.param(8, False, id="the manifest"),
        pytest.param(9, False, id="before the directory gets its name"),
        pytest.param(10, True, id="after it got its name"),
    ],
)
def test_a_process_killed_while_preparing_leaves_a_whole_set_or_none(
    moment: int, whole: bool, npz: Path, tmp_path: Path, lines: list[str]
) -> None:
    data_dir, task = tmp_path / "data", TaskSettings(source=f"npz:{npz}")
    killed = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(moment), str(npz), str(data_dir)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert (data_dir / parse_source(task).key).exists() == whole
    if whole:
        assert len(open_copy("mine", task, data_dir, None).load("train")) == 60
    else:
        with pytest.raises(DataError, match=r"manifest\.json is missing"):
            open_copy("mine", task, data_dir, None)
    prepared = prepare("mine", task, data_dir)
    assert len(prepared.load("test")) == 9
    if not whole:
        assert list(data_dir.glob(".*.partial")) == []
