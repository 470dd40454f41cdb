import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import TINY, Emtnas
from studies import NAMES, write_study

sys.path.insert(0, str(Path(__file__).parents[1] / "slurm"))

from fake_slurm import FakeSlurm
from programs import NODES

from emtnas_hpc.checkpoint.paths import RunPaths, seed_run
from emtnas_hpc.settings.names import read_stored
from emtnas_hpc.slurm.job_files import read_job_spec

RETRAINED = (
    "retraining.recipe=quick",
    "retraining.normal_cells=[1]",
    'retraining.transfer=["other"]',
    "task.other.source=package:digits",
)
OVERRIDES = tuple(word for setting in RETRAINED for word in ("--set", setting))


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    """A cluster of two partitions, and no profiles but the shipped ones."""
    monkeypatch.setenv("EMTNAS_PROFILES", str(tmp_path / "profiles"))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return FakeSlurm(tmp_path / "commands", monkeypatch)


@pytest.fixture
def study(here: Path) -> Path:
    return write_study(here)


def test_one_launch_submits_every_seed_of_every_experiment(
    emtnas: Emtnas, slurm: FakeSlurm, study: Path, data: Path
) -> None:
    result = emtnas("launch", study, "--seeds", 2, "--data", data)
    assert (result.code, result.err) == (0, "")
    # The first jobs of all, and only then a standby job behind each.
    assert list(slurm.jobs.values()) == [*4 * [""], *(f"afterany:{n}" for n in (1, 2, 3, 4))]
    submitted = [line for line in result.out.splitlines() if ": submitted: job" in line]
    assert [line.partition(":")[0] for line in submitted] == [
        f"{name}, seed {seed}" for name in NAMES for seed in (0, 1)
    ]
    for name in NAMES:
        stored = read_stored(seed_run(Path("runs"), name, 1))
        assert stored is not None
        assert stored.experiment.name == name
        assert stored.experiment.search.reevaluate is (name == "small")


def test_launched_twice_is_submitted_once(
    emtnas: Emtnas, slurm: FakeSlurm, study: Path, data: Path
) -> None:
    emtnas("launch", study, "--data", data)
    again = emtnas("launch", study, "--data", data)
    assert again.code == 0
    assert again.out.count("left alone, in the queue") == len(NAMES)
    assert slurm.submissions == 2 * len(NAMES)


def test_a_dry_run_has_a_plan_for_every_experiment_and_writes_nothing(
    emtnas: Emtnas, slurm: FakeSlurm, study: Path, data: Path
) -> None:
    result = emtnas("launch", study, "--data", data, "--dry-run", "--json")
    experiments = json.loads(result.out)["experiments"]
    assert [experiment["name"] for experiment in experiments] == list(NAMES)
    assert all("sbatch" in experiment for experiment in experiments)
    shown = emtnas("launch", study, "--data", data, "--dry-run").out
    for name in ("small", "small-reevaluate-false"):
        assert f"#SBATCH --job-name=emtnas-{name}-s0" in shown
    assert slurm.submissions == 0
    assert not Path("runs").exists()


def test_room_that_all_experiments_need_together_is_missed_once(
    emtnas: Emtnas,
    slurm: FakeSlurm,
    study: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def launched(free: float) -> list[list[str]]:
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr("emtnas_hpc.slurm.plan.shutil.disk_usage", lambda _path: usage)
        found = json.loads(emtnas("launch", study, "--data", data, "--dry-run", "--json").out)
        needed.extend(experiment["disk_bytes"] for experiment in found["experiments"])
        return [experiment["warnings"] for experiment in found["experiments"]]

    needed: list[float] = []
    assert launched(1e12) == [[], []]
    assert launched(sum(needed)) == [[], []]
    # Enough for each of them, and not for both.
    [[warning], none] = launched(max(needed))
    assert none == []
    assert " MB left, and these runs will take up to " in warning
    shown = emtnas("launch", study, "--data", data, "--dry-run").out
    assert shown.count(": make room") == 1


def test_what_holds_for_the_jobs_of_all_experiments_is_asked_and_said_once(
    emtnas: Emtnas,
    slurm: FakeSlurm,
    study: Path,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SBATCH_RESERVATION", "lab")
    slurm.write("sinfo", f"echo '*** note ***'; {NODES}")
    result = emtnas("launch", study, "--data", data, "--dry-run", "--json")
    [first, second] = [each["warnings"] for each in json.loads(result.out)["experiments"]]
    assert [line.partition(":")[0] for line in first] == [
        "sinfo printed a line that is none of a node's",
        "your environment gives the jobs more options",
    ]
    assert second == []
    assert sum("--test-only" in call for call in slurm.calls) == 1


def test_a_name_for_a_study_is_refused(
    emtnas: Emtnas, slurm: FakeSlurm, study: Path, data: Path
) -> None:
    result = emtnas("launch", "study.toml", "--name", "mine", "--data", data)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("error: --name is 'mine', but study.toml is a study, whose ")


def test_missing_data_is_answered_with_the_command_that_prepares_all_of_the_study(
    emtnas: Emtnas, slurm: FakeSlurm, here: Path
) -> None:
    result = emtnas("launch", "table5", "--partition", "gpu")
    assert result.code == 2
    assert f"make it anew with: emtnas-hpc prepare table5 --data {here}/data" in result.err
    assert list(here.iterdir()) == []


def test_a_seed_that_is_finished_under_another_name_is_used_and_the_others_are_launched(
    emtnas: Emtnas, slurm: FakeSlurm, finished: Path, data: Path
) -> None:
    shutil.copytree(finished / "tiny/seed-1", "runs/tiny/seed-1")
    result = emtnas("launch", *TINY, *OVERRIDES, "--seeds", 2, "--data", data)
    assert result.code == 0, result.err
    [line] = result.err.splitlines()
    assert line.endswith(" seed 1: this search is finished in runs/tiny/seed-1, which is used")
    name = line.partition(" seed")[0]
    assert f"{name}, seed 0: submitted: job 1, 3 behind it\n" in result.out
    assert "tiny, seed 1: submitted: job 2, 4 behind it\n" in result.out
    assert not seed_run(Path("runs"), name, 1).directory.exists()
    used = RunPaths(Path("runs/tiny/seed-1"))
    stored, request = read_stored(used), read_job_spec(used.jobs)
    assert stored is not None
    assert request is not None
    assert stored.experiment.retraining.transfer == ("other",)
    assert stored.experiment.task["other"].source == "package:digits"


def test_data_of_a_transfer_that_is_missing_is_refused(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, here: Path
) -> None:
    gone = ("--set", "task.other.source=npz:gone.npz")
    result = emtnas("launch", *TINY, *OVERRIDES, *gone, "--data", data)
    assert result.code == 2
    assert "gone.npz" in result.err
    assert list(here.iterdir()) == []


def test_status_lists_transfers_among_the_stages(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    emtnas("launch", *TINY, *OVERRIDES, "--data", data)
    [run] = json.loads(emtnas("status", "--json").out)["seeds"]
    assert [stage["name"] for stage in run["stages"]] == [
        "search",
        "retraining/digits-n1-quick",
        "retraining/digits-on-other-n1-quick",
    ]
