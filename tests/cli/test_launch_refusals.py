from pathlib import Path

import pytest
from command_line import Emtnas
from fake_slurm import FakeSlurm
from launches import NAMED, launch


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--partition", "gup"), "no partition 'gup' (--partition) on this cluster; did you mean"),
        (("--time", "2-0"), "time is 2-00:00:00 (--time), but partition gpu allows 1-00:00:00 at"),
        (("--time", "soon"), "--time: time is 'soon', expected a time limit"),
        (("--gpus", "3"), "gpus is 3 (--gpus), but partition gpu has rtx2080ti (2 a node)"),
        (("--profile", "ours"), "no profile or TOML file 'ours'; profiles are: default"),
        (("--sbatch", "array=0-4"), "--sbatch: sbatch: expected no array here: a job sets it"),
        (("--seeds", "none"), "--seeds is 'none', expected a number (5) or a list"),
        (("--device", "gpu"), "--device is 'gpu', expected auto, cpu, cuda or cuda:N"),
        (("--account", "me"), "No such option: --account; what sbatch knows is given as --sbatch "),
        (("--take-over",), "No such option: --take-over; emtnas-hpc launch --help says more"),
        (("--runs", "50%"), "50%/tiny/seed-0 has '%' in its path, which SLURM reads as a"),
        (("--set", "search.rmp=2"), "search.rmp is 2, expected a number from 0 to 1"),
    ],
)
def test_what_can_be_refused_is_before_anything_is_written(
    emtnas: Emtnas,
    slurm: FakeSlurm,
    data: Path,
    here: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    result = launch(emtnas, data, *arguments)
    assert (result.code, result.out) == (2, "")
    [line] = result.err.splitlines()
    assert line.startswith(f"error: {message}")
    assert list(here.iterdir()) == []
    assert slurm.submissions == 0


def test_what_slurm_would_not_accept_is_refused_in_its_words(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, here: Path
) -> None:
    slurm.write("sbatch", "echo 'allocation failure: Invalid account' >&2; exit 1")
    result = launch(emtnas, data)
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error: SLURM would not accept such a job: allocation failure: Invalid account\n"
    )
    assert list(here.iterdir()) == []


def test_missing_data_is_answered_with_the_command_that_mends_it(
    emtnas: Emtnas, slurm: FakeSlurm, here: Path
) -> None:
    result = emtnas("launch", "--seeds", 5, "--partition", "gpu")
    assert result.code == 2
    assert f"make it anew with: emtnas-hpc prepare cifar --data {here}/data" in result.err
    assert list(here.iterdir()) == []


def test_a_run_directory_of_other_settings_is_refused(
    emtnas: Emtnas, slurm: FakeSlurm, finished: Path, data: Path
) -> None:
    where = ("--runs", finished, "--data", data, "--set", "search.rmp=0.5")
    result = emtnas("launch", *NAMED, *where)
    assert result.code == 2
    assert "was made with other settings: search.rmp is 0.3 there, 0.5 here" in result.err
    assert slurm.submissions == 0


@pytest.mark.parametrize("command", ["scontrol", "sinfo", "squeue", "sbatch"])
def test_a_scheduler_that_is_down_is_said_and_nothing_is_submitted(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, here: Path, command: str
) -> None:
    slurm.write(command, "echo 'Unable to contact slurm controller (connect failure)' >&2; exit 1")
    result = launch(emtnas, data)
    assert result.code == 1
    assert "Unable to contact slurm controller" in result.err
    assert list(here.iterdir()) == []
