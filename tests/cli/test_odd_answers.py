"""SLURM's commands that print more than their answer, or something else in its place."""

import json
from pathlib import Path

import pytest
from command_line import Emtnas
from fake_slurm import FakeSlurm
from launches import launch, run

from emtnas_hpc.slurm.job_files import read_records

NOTICE = "*** maintenance on Monday ***"


@pytest.fixture
def launched(emtnas: Emtnas, data: Path, slurm: FakeSlurm) -> FakeSlurm:
    """A seed whose job runs, and its standby job."""
    assert launch(emtnas, data).code == 0
    slurm.start("1")
    return slurm


def _squeue(slurm: FakeSlurm, script: str) -> None:
    slurm.write("squeue", script)


def test_a_notice_beside_the_jobs_is_said_once_and_changes_nothing(
    emtnas: Emtnas, data: Path, launched: FakeSlurm
) -> None:
    _squeue(launched, f"echo '{NOTICE}'; cat {launched.folder}/queue")
    said = f'squeue printed a line that is none of a job\'s: "{NOTICE}"'
    for result in (emtnas("status"), launch(emtnas, data), emtnas("cancel", "tiny")):
        assert (result.code, result.err.count(said)) == (0, 1)
    assert launched.submissions == 2
    assert launched.jobs == {}


def test_a_notice_in_the_place_of_jobs_submits_and_cancels_nothing(
    emtnas: Emtnas, data: Path, launched: FakeSlurm
) -> None:
    _squeue(launched, f"echo '{NOTICE}'")
    said = f'squeue said "{NOTICE}" instead of jobs'
    status = emtnas("status")
    assert (status.code, status.err.count(said)) == (0, 1)
    assert "tiny/seed-0  unknown" in status.out
    for arguments in (("launch",), ("resume",), ("cancel",)):
        result = launch(emtnas, data) if arguments == ("launch",) else emtnas(*arguments, "tiny")
        assert (result.code, result.err.splitlines()[-1]) == (1, f"error: {said}")
        assert "cancelled" not in result.out
    assert launched.submissions == 2
    assert set(launched.jobs) == {"1", "2"}


def test_status_as_json_stays_json(emtnas: Emtnas, launched: FakeSlurm) -> None:
    _squeue(launched, f"echo '{NOTICE}'; cat {launched.folder}/queue")
    values = json.loads(emtnas("status", "--json").out)
    assert values["seeds"][0]["state"] == "running"
    assert NOTICE in values["problems"][0]


@pytest.mark.parametrize("n_fields", range(1, 11))
def test_a_job_whose_line_is_cut_is_neither_submitted_again_nor_lost(
    emtnas: Emtnas, data: Path, launched: FakeSlurm, n_fields: int
) -> None:
    _squeue(launched, f'cut -d "|" -f 1-{n_fields} {launched.folder}/queue')
    status, again = emtnas("status", "--json"), launch(emtnas, data)
    assert json.loads(status.out)["seeds"][0]["state"] in ("running", "unknown")
    assert launched.submissions == 2
    assert again.code in (0, 1)
    assert "unexpected" not in again.err


@pytest.mark.parametrize(
    "script", ["exit 1", "echo no >&2", "exec cat /no/file", "printf '\\000\\377\\n'", "echo 1"]
)
def test_an_squeue_that_says_nothing_of_use_costs_no_job(
    emtnas: Emtnas, data: Path, launched: FakeSlurm, script: str
) -> None:
    (launched.folder / "printf").symlink_to("/usr/bin/printf")
    _squeue(launched, script)
    again = launch(emtnas, data)
    assert again.code == 1
    assert len([line for line in again.err.splitlines() if line.startswith("error: ")]) == 1
    assert launched.submissions == 2
    assert emtnas("status").code == 0


def test_nodes_of_which_sinfo_knows_no_memory_take_the_job(
    emtnas: Emtnas, data: Path, slurm: FakeSlurm
) -> None:
    for answer in ("8|N/A|gpu:2", "N/A|(null)|gpu:2", "8+|64000+|gpu:2"):
        slurm.write("sinfo", f"echo '{NOTICE}'; echo '{answer}'")
        result = launch(emtnas, data, "--dry-run")
        assert result.code == 0, result.err
        assert f'warning: sinfo printed a line that is none of a node\'s: "{NOTICE}"' in result.out


def test_a_node_of_less_memory_gets_a_job_that_asks_for_less(
    emtnas: Emtnas, data: Path, slurm: FakeSlurm
) -> None:
    slurm.write("sinfo", "echo '2|15973|gpu:1'; echo '64|512000|(null)'")
    result = launch(emtnas, data, "--dry-run")
    assert result.code == 0, result.err
    rows = {row.split()[0]: " ".join(row.split()) for row in result.out.splitlines() if row.strip()}
    largest = "(the shipped default): the largest node of partition gpu"
    assert rows["memory_gb"] == f"memory_gb 15.5 of 16 {largest}"
    assert rows["cpus"] == f"cpus 2 of 4 {largest}"
    assert "#SBATCH --mem=15872M" in result.out
    asked = launch(emtnas, data, "--dry-run", "--sbatch", "mem=16G")
    assert asked.code == 2
    assert "16 GB" in asked.err or "memory_gb is 16 (--sbatch)" in asked.err


def test_a_job_that_slurm_refuses_for_its_memory_leads_to_the_doctor(
    emtnas: Emtnas, data: Path, slurm: FakeSlurm
) -> None:
    slurm.write("sbatch", "echo 'sbatch: error: Please use --mem-per-cpu' >&2; exit 1")
    result = launch(emtnas, data)
    assert result.code == 2
    assert "`emtnas-hpc doctor` tries in which way SLURM takes a wish for memory" in result.err
    assert read_records(run().jobs) == []


def test_an_squeue_that_prints_nothing_at_all_loses_no_job(
    emtnas: Emtnas, data: Path, launched: FakeSlurm
) -> None:
    """It was asked for its heading, so this is no empty queue."""
    _squeue(launched, "true")
    result = launch(emtnas, data)
    assert (result.code, launched.submissions) == (1, 2)
    assert "error: squeue printed nothing, not even its heading" in result.err
    assert "tiny/seed-0  unknown" in emtnas("status").out
