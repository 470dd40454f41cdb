import json
import sys
from pathlib import Path

import pytest
from command_line import TINY, Emtnas, Result, run_here

sys.path.insert(0, str(Path(__file__).parents[1] / "cluster"))

from stand_ins import StandIns

from emtnas_hpc.cluster.doctor import errand

PARTITION = "PartitionName=gpu Default=YES MaxTime=1-00:00:00 State=UP PreemptMode=OFF GraceTime=0"
SITE = "JobRequeue = 1\nSLURM_VERSION = 22.05.8\nAccountingStorageType = accounting_storage/none"

#: What the rest of a script is run by: it knows nothing of sbatch's directives.
SBATCH = "sh $2 > $log 2>&1 &\necho 7"


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    """A SLURM whose only node is this machine, and whose queue forgets a job at once."""
    stand_ins = StandIns(tmp_path / "commands", monkeypatch)
    stand_ins.write("scontrol", f"case $* in *config) echo '{SITE}';; *) echo '{PARTITION}';; esac")
    stand_ins.write("sinfo", "echo '8|64000|gpu:rtx2080ti:2'")
    stand_ins.write("srun", 'shift; exec "$@"')
    stand_ins.write("squeue", f"cat {stand_ins.folder}/queue")
    stand_ins.write("scancel", "")
    stand_ins.write("sbatch", SBATCH.replace("$log", str(tmp_path / "log")))
    _in_queue(stand_ins, "RUNNING")
    return stand_ins


def _in_queue(slurm: StandIns, state: str) -> None:
    line = f"7|emtnas-doctor-look|{state}|Resources|0|N/A|N/A|||gpu|\n" if state else ""
    (slurm.folder / "queue").write_text(line)


def _doctor(data: Path, *arguments: object) -> Result:
    return run_here("doctor", *TINY, "--data", data, "--gpus", 0, *arguments)


def _checks(out: str) -> dict[str, str]:
    return {finding["check"]: finding["grade"] for finding in json.loads(out)}


def test_a_cluster_that_will_do_is_told_line_by_line(data: Path, slurm: StandIns) -> None:
    result = _doctor(data)
    assert result.code == 0, result
    lines = result.out.splitlines()
    assert {line.split()[0] for line in lines} == {"fine", "warning"}
    checks = _checks(_doctor(data, "--json").out)
    assert len(checks) == len(lines)
    assert checks == {
        "data of digits": "fine",
        "SLURM": "fine",
        "partition": "fine",
        "GPUs": "warning",
        "requeue": "fine",
        "preemption": "fine",
        "accounting": "warning",
        "test job": "fine",
        "run directory": "fine",
        "locks": "fine",
        "Python": "fine",
        "device": "fine",
        "SLURM from a node": "fine",
    }


def test_a_doctor_leaves_nothing_behind(data: Path, slurm: StandIns, here: Path) -> None:
    _doctor(data)
    assert list(here.iterdir()) == []
    (here / "runs").mkdir()
    _doctor(data)
    assert list((here / "runs").iterdir()) == []
    assert slurm.calls.count("scancel 7") == 2


def test_without_slurm_only_the_data_is_checked(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    StandIns(tmp_path / "commands", monkeypatch)
    result = _doctor(data)
    assert result.code == 1
    fine, wrong = result.out.splitlines()
    assert fine.startswith("fine ")
    assert "there is no sbatch, no squeue, no scancel, no scontrol, no sinfo, no srun here" in wrong


def test_an_unknown_partition_is_wrong(data: Path, slurm: StandIns) -> None:
    result = _doctor(data, "--partition", "cpu")
    assert result.code == 1
    assert "no partition 'cpu' (--partition) on this cluster" in result.out.splitlines()[-1]


def test_a_test_job_that_slurm_refuses_is_wrong_in_slurms_words(
    data: Path, slurm: StandIns
) -> None:
    slurm.write("sbatch", "echo 'sbatch: error: no such account' >&2; exit 1")
    result = _doctor(data)
    assert result.code == 1
    last = result.out.splitlines()[-1]
    assert last.split()[:3] == ["wrong", "test", "job"]
    assert "sbatch refused: sbatch: error: no such account" in last


def test_a_test_job_that_does_not_begin_is_given_up_and_says_why(
    data: Path, slurm: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errand, "_LOOK_EVERY_S", 0.1)
    slurm.write("sbatch", "echo 7")
    _in_queue(slurm, "PENDING")
    result = _doctor(data, "--patience", 1, "--signals")
    assert result.code == 0
    last = result.out.splitlines()[-1]
    assert "did not begin within 1 s: job 7 waits for free nodes; try again later" in last
    assert slurm.calls[-1] == "scancel 7"


def test_a_test_job_that_dies_is_wrong_with_the_last_line_of_its_log(
    data: Path, slurm: StandIns, here: Path
) -> None:
    slurm.write("sbatch", "echo 'bash: python: not found' > ${2%/*}/log; echo 7")
    _in_queue(slurm, "")
    result = _doctor(data)
    assert result.code == 1
    assert "ended without an answer (bash: python: not found)" in result.out.splitlines()[-1]


def test_a_run_directory_that_cannot_be_made_is_wrong(data: Path, slurm: StandIns) -> None:
    result = _doctor(data, "--runs", "/proc/runs")
    assert result.code == 1
    assert result.out.splitlines()[-1].startswith("wrong    run directory")


def test_bad_input_is_refused_before_anything_is_examined(emtnas: Emtnas, slurm: StandIns) -> None:
    assert emtnas("doctor", "cifra").code == 2
    assert emtnas("doctor", "--device", "tpu").code == 2
    assert slurm.calls == []
