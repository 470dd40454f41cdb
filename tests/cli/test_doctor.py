import json
import os
import sys
from pathlib import Path

import pytest
from command_line import TINY, Emtnas, Result, run_here

sys.path.insert(0, str(Path(__file__).parents[1] / "slurm"))

from programs import GPU, StandIns

from emtnas_hpc.slurm import doctor

#: Takes no job, so that none has to be waited for where the answer of a node is not the matter.
NO_JOBS = '[ "$1" = --test-only ]'


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_children: None) -> StandIns:
    """A SLURM whose only node is this machine, and whose queue forgets a job at once."""
    monkeypatch.delenv("EMTNAS_PROFILES", raising=False)
    stand_ins = StandIns(tmp_path / "commands", monkeypatch)
    stand_ins.run_jobs_here(tmp_path / "log")
    _in_queue(stand_ins, "RUNNING")
    return stand_ins


def _in_queue(slurm: StandIns, state: str) -> None:
    line = f"7|emtnas-doctor|{state}|Resources|0|N/A|||\n" if state else ""
    (slurm.folder / "queue").write_text(line)


def _doctor(data: Path, *arguments: object) -> Result:
    return run_here("doctor", *TINY, "--data", data, "--gpus", 0, *arguments)


def _checks(out: str) -> dict[str, str]:
    return {finding["check"]: finding["grade"] for finding in json.loads(out)}


@pytest.mark.slow
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
        "profile": "fine",
        "partition": "fine",
        "GPUs": "warning",
        "requeue": "fine",
        "preemption": "fine",
        "accounting": "warning",
        "sbatch": "fine",
        "test job": "fine",
        "run directory": "fine",
        "locks": "fine",
        "Python": "fine",
        "device": "fine",
        "SLURM from a node": "fine",
    }


def test_the_profile_that_holds_is_named_and_where_those_to_copy_are(
    data: Path, slurm: StandIns, here: Path
) -> None:
    def told() -> str:
        out = _doctor(data).out
        [line] = [line for line in out.splitlines() if line.split()[1] == "profile"]
        return line.split(maxsplit=2)[2]

    slurm.write("sbatch", NO_JOBS)
    none_holds, _, folder = told().rpartition(" in ")
    assert none_holds.startswith("no profile of yours has the partition; to copy: ")
    for name in ("example-2080ti.toml", "run-by-hand.sbatch"):
        assert name in none_holds
        assert (Path(folder) / name).is_file()
    (here / "slurm").mkdir()
    (here / "slurm" / "ours.toml").write_text('partition = "gpu"\n')
    assert told().startswith("slurm/ours.toml holds; to copy: ")


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


def test_an_unknown_profile_is_no_fault_of_the_partition(data: Path, slurm: StandIns) -> None:
    last = _doctor(data, "--profile", "nosuch").out.splitlines()[-1]
    assert last.split()[:3] == ["wrong", "job", "options"]
    assert "no profile or TOML file 'nosuch'" in last


def test_a_test_job_that_slurm_refuses_is_wrong_in_slurms_words(
    data: Path, slurm: StandIns
) -> None:
    refuse = "echo 'sbatch: error: no such account' >&2; exit 1"
    slurm.write("sbatch", f'[ "$1" = --test-only ] || {{ {refuse}; }}')
    result = _doctor(data)
    assert result.code == 1
    last = result.out.splitlines()[-1]
    assert last.split()[:3] == ["wrong", "test", "job"]
    assert "sbatch refused: sbatch: error: no such account" in last


def test_jobs_that_slurm_would_not_accept_are_wrong_and_none_is_tried(
    data: Path, slurm: StandIns
) -> None:
    slurm.write("sbatch", "echo 'allocation failure: Invalid qos' >&2; exit 1")
    result = _doctor(data)
    assert result.code == 1
    last = result.out.splitlines()[-1]
    assert last.split()[:2] == ["wrong", "sbatch"]
    assert "SLURM would not accept such a job: allocation failure: Invalid qos" in last
    assert [call.split()[1] for call in slurm.calls if call.startswith("sbatch")] == ["--test-only"]


def test_options_of_the_users_environment_are_warned_of(
    data: Path, slurm: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("SBATCH_RESERVATION", "ours")
    slurm.write("sbatch", NO_JOBS)
    result = _doctor(data)
    [line] = [line for line in result.out.splitlines() if line.split()[1] == "sbatch"]
    assert line.split()[0] == "warning"
    assert "your environment gives the jobs more options: SBATCH_RESERVATION=ours" in line


def test_every_partition_that_jobs_may_go_to_is_examined(data: Path, slurm: StandIns) -> None:
    other = "PartitionName=long MaxTime=7-00:00:00 State=DOWN PreemptMode=OFF GraceTime=0"
    slurm.partitions(f"{GPU} PreemptMode=OFF GraceTime=0", other)
    slurm.write("sbatch", NO_JOBS)
    result = _doctor(data, "--partition", "gpu,long")
    found = [line.split() for line in result.out.splitlines() if line.split()[1] == "partition"]
    assert [(words[0], words[2]) for words in found] == [("fine", "gpu"), ("warning", "long")]
    assert result.out.splitlines()[-1].startswith("wrong    test job")


def test_a_runs_directory_that_slurm_reads_as_a_pattern_is_wrong(
    data: Path, slurm: StandIns
) -> None:
    result = _doctor(data, "--runs", "100%")
    assert result.code == 1
    assert "which SLURM reads as a pattern; choose another --runs" in result.out.splitlines()[-1]
    assert not [call for call in slurm.calls if call.startswith("sbatch")]


def test_a_runs_directory_need_not_be_text(data: Path, slurm: StandIns) -> None:
    slurm.write("sbatch", NO_JOBS)
    last = _doctor(data, "--runs", os.fsdecode(b"r\xff")).out.splitlines()[-1]
    assert last.startswith("wrong    test job            sbatch refused")


def test_a_test_job_that_does_not_begin_is_given_up_and_says_why(
    data: Path, slurm: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_POLL_S", 0.1)
    slurm.write("sbatch", '[ "$1" = --test-only ] || echo 7')
    _in_queue(slurm, "PENDING")
    result = _doctor(data, "--patience", 1)
    assert result.code == 0
    last = result.out.splitlines()[-1]
    assert "did not begin within 1 s: job 7 waits for free nodes; try again later" in last
    assert slurm.calls[-1] == "scancel 7"


def test_a_test_job_that_dies_is_wrong_with_the_last_line_of_its_log(
    data: Path, slurm: StandIns, here: Path
) -> None:
    log = "${2%/*}/7_0_log.out"
    died = f"echo 'bash: python: not found' > {log}; echo 7"
    slurm.write("sbatch", f'[ "$1" = --test-only ] || {{ {died}; }}')
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


def _takes_memory(slurm: StandIns, pattern: str, words: str) -> None:
    """An sbatch that accepts only scripts with such a line."""
    (slurm.folder / "sed").symlink_to("/usr/bin/sed")
    accepts = f'grep -q -e "{pattern}" "$2" && exit 0'
    slurm.write("sbatch", f"{accepts}; echo '{words}' >&2; exit 1")


@pytest.mark.parametrize(
    ("pattern", "words", "line"),
    [
        ("^#SBATCH --mem-per-cpu=4096M$", "error: Please specify memory with --mem-per-cpu", "cpu"),
        ("^#SBATCH --mem-per-gpu=16384M$", "error: memory goes by GPU here", "gpu"),
        ("^#SBATCH --mem-per-cpu", "Requested node configuration is not available", "cpu"),
        ("^#SBATCH --mem-per-cpu", "error: our plugin says no: see the wiki", "cpu"),
    ],
)
def test_the_way_in_which_a_site_takes_a_wish_for_memory_is_tried(
    data: Path, slurm: StandIns, pattern: str, words: str, line: str
) -> None:
    _takes_memory(slurm, pattern, words)
    result = run_here("doctor", *TINY, "--data", data, "--gpus", 1, "--patience", 1)
    [said] = [each for each in result.out.splitlines() if each.split()[1] == "sbatch"]
    amount = {"cpu": "4096M", "gpu": "16384M"}[line]
    assert said.endswith(
        "SLURM accepts the same job with memory asked for in another way: "
        f'mem-per-{line} = "{amount}" below [sbatch]'
    )


def test_a_site_that_takes_no_wish_for_memory_is_found_too(data: Path, slurm: StandIns) -> None:
    refuses = (
        "grep -q -e '^#SBATCH --mem' \"$2\" && { echo 'error: no memory' >&2; exit 1; }; exit 0"
    )
    slurm.write("sbatch", refuses)
    result = _doctor(data, "--patience", 1)
    assert "in another way: memory_gb = 0" in result.out


def test_what_slurms_commands_print_besides_has_a_line(data: Path, slurm: StandIns) -> None:
    slurm.write("squeue", f"echo '*** note ***'; cat {slurm.folder}/queue")
    slurm.write("sinfo", "echo '*** note ***'; echo '8|64000|gpu:rtx2080ti:2'")
    result = _doctor(data)
    warned = [line for line in result.out.splitlines() if "*** note ***" in line]
    assert [line.split()[:2] for line in warned] == [["warning", "queue"], ["warning", "SLURM"]]
    assert result.code == 0


def test_a_queue_that_cannot_be_read_is_wrong(data: Path, slurm: StandIns) -> None:
    slurm.write("squeue", "echo '*** note ***'")
    result = _doctor(data)
    assert result.code == 1
    assert 'squeue said "*** note ***" instead of jobs; nothing is submitted' in result.out
