"""kill -9 at any moment: the run goes on, and ends in the state of one that nobody interrupted."""

import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from counting import expected_state

from emtnas_hpc.checkpoint.commits import read_newest
from emtnas_hpc.checkpoint.paths import RunPaths, find_temporaries

pytestmark = pytest.mark.slow

Start = Callable[..., "subprocess.Popen[str]"]


def _state(directory: Path) -> str | None:
    return read_newest(RunPaths(directory).stage("search"), "state.txt", Path.read_text)


def test_a_run_killed_before_any_call_into_the_file_system_ends_the_same(
    run_script: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    result = run_script("killing.py", tmp_path)
    assert result.returncode == 0, result.stderr
    runs = list(tmp_path.iterdir())
    assert len(runs) > 70
    for run in runs[:-1]:
        assert _state(run) == expected_state(3)
        stage = RunPaths(run).stage("search")
        assert stage.steps()[-2:] == [2, 3]
        assert list(find_temporaries(stage.directory)) == []


def test_a_run_killed_at_random_moments_again_and_again_ends_the_same(
    start: Start, directory: Path
) -> None:
    moments = random.Random(0)
    n_killed = 0
    while True:
        process = start("--steps", "40", "--batch-s", "0.01", "--interval-s", "0.05")
        assert process.stdout is not None
        if not process.stdout.readline():
            break
        time.sleep(moments.uniform(0.0, 0.4))
        process.kill()
        n_killed += process.wait() == -signal.SIGKILL
    assert process.wait() == 0
    assert n_killed > 2
    assert _state(directory) == expected_state(40)
