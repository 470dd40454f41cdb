"""A study: several experiments, one of which trains what it has found on another's data set."""

from pathlib import Path

import pytest
from clusters import Cluster
from deadlines import wait_for
from tiny import emtnas

pytestmark = pytest.mark.slurm

EXPERIMENT = """
extends = "quickstart"

[search]
generations = 2
population = 4

[supernet]
channels = 4

[training]
batches = 4

[retraining]
normal_cells = [1]
channels = 4
epochs = 1
"""
STUDY = """
[[experiments]]
preset = "both.toml"

[[experiments]]
preset = "both.toml"
set = ['tasks=["digits"]', 'retraining.transfer=["mnist5k"]']
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    (tmp_path / "both.toml").write_text(EXPERIMENT)
    study = tmp_path / "study.toml"
    study.write_text(STUDY)
    return study


def test_all_experiments_of_a_study_end_as_in_the_foreground_transfers_too(
    cluster: Cluster, study: Path, data: Path
) -> None:
    here, there = study.with_name("here"), study.with_name("there")
    where = ("--data", data, "--device", "cpu")
    launch = ("launch", study, "--partition", "gpu", "--runs", there, *where)
    for done in (emtnas(*launch), emtnas("run", study, "--runs", here, *where)):
        assert done.returncode == 0, done.stderr
    wait_for(lambda: not cluster.queue(), "an empty queue", tell=cluster.tell)
    assert emtnas(*launch).stdout.count(": left alone, done") == 2
    expected = {run.parent.name: run for run in here.glob("*/seed-0")}
    assert len(expected) == 2
    for name, run in expected.items():
        done = emtnas("verify", run, there / name / "seed-0")
        assert done.returncode == 0, done.stdout + done.stderr
    trained = {path.name.partition("-n1-")[0] for path in there.glob("*digits/*/retraining/*")}
    assert trained == {"digits", "digits-on-mnist5k"}
