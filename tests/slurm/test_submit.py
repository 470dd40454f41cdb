import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stand_ins import StandIns

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import InputError, SchedulerError
from emtnas_hpc.slurm.job_files import JobSpec, read_records
from emtnas_hpc.slurm.profile import Profile
from emtnas_hpc.slurm.submit import refuse_path, remove_leftovers, sbatch_text, submit

PROFILE = Profile(
    partition="gpu",
    gpu_type="rtx2080ti",
    memory_gb=2.5,
    time=90,
    account="lab",
    qos="long",
    constraint="turing",
    setup=("module load cuda",),
    sbatch={"exclusive": True, "comment": "it's", "mail-user": False, "gres": "tmp:1G"},
)
REQUEST = JobSpec(profile=PROFILE, data="/data", device="cpu", prepare_command="prepare it")


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / "my runs" / "cifar" / "seed-0")


def test_what_sbatch_is_given_is_all_that_was_asked_for(
    sbatch: StandIns,
    check_golden: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/venv/bin/python")
    monkeypatch.setattr("emtnas_hpc.__file__", "/main/emtnas_hpc/__init__.py")
    run = RunPaths(Path("/my runs/cifar+rmp=0.1/seed-0"))
    check_golden("submission.sbatch", sbatch_text(run, REQUEST))
    assert sbatch.calls == []


@pytest.mark.parametrize(
    ("values", "lines"),
    [
        ({"memory_gb": 0}, []),
        ({"sbatch": {"mem-per-cpu": "4G"}}, ["#SBATCH --mem-per-cpu=4G"]),
        ({"memory_gb": 0, "sbatch": {"mem-per-gpu": "4G"}}, ["#SBATCH --mem-per-gpu=4G"]),
        ({"memory_gb": 0, "sbatch": {"mem": 0}}, ["#SBATCH --mem=0"]),
        ({"sbatch": {"mem-per-cpu": False}}, ["#SBATCH --mem=16384M"]),
    ],
)
def test_a_job_asks_for_memory_once(
    run: RunPaths, sbatch: StandIns, values: dict[str, Any], lines: list[str]
) -> None:
    profile = Profile(**{"partition": "gpu", "memory_gb": 16.0, **values})
    text = sbatch_text(run, REQUEST.model_copy(update={"profile": profile}))
    assert [line for line in text.splitlines() if line.startswith("#SBATCH --mem")] == lines


@pytest.mark.parametrize(
    "answer",
    [
        "echo 'job 24 of the month'; echo Submitted batch job 9",
        "echo Submitted batch job 9; echo '*** maintenance: no job 1 runs on Monday ***'",
        "echo '9;cluster'",
        "echo welcome; echo 9",
        "printf 'f\\374r 12 h\\r\\nSubmitted batch job 9\\r\\n'",
        "printf 'f\\374r\\n' >&2; echo Submitted batch job 9 on cluster big",
    ],
)
def test_the_number_of_a_job_is_found_among_a_sites_notices(
    run: RunPaths, sbatch: StandIns, answer: str
) -> None:
    (sbatch.folder / "printf").symlink_to("/usr/bin/printf")
    sbatch.write("sbatch", answer)
    assert submit(run, REQUEST).job_id == "9"


@pytest.mark.parametrize("answer", ["", "echo job 7, job 8", "echo Submitted batch job"])
def test_a_number_that_cannot_be_told_leaves_an_intent(
    run: RunPaths, sbatch: StandIns, answer: str
) -> None:
    sbatch.write("sbatch", answer)
    with pytest.raises(SchedulerError, match="sbatch gave an answer that is not understood: "):
        submit(run, REQUEST)
    assert [record.pending for record in read_records(run.jobs)] == [True]


def test_many_remarks_before_a_lost_answer_are_no_refusal(run: RunPaths, sbatch: StandIns) -> None:
    remarks = "".join(f"echo 'sbatch: error: limit {n}' >&2\n" for n in range(4))
    sbatch.write("sbatch", f"{remarks}echo 'sbatch: error: Connection reset by peer' >&2; exit 1")
    with pytest.raises(SchedulerError):
        submit(run, REQUEST)
    assert [record.pending for record in read_records(run.jobs)] == [True]


def test_a_job_is_recorded_before_and_after_slurm_hears_of_it(
    run: RunPaths, sbatch: StandIns
) -> None:
    found = sbatch.folder / "found"
    sbatch.write("sbatch", f"cat '{run.jobs.directory}'/*.json > {found}; echo job 9")
    record = submit(run, REQUEST, after="7")
    assert '"job_id": null' in found.read_text()
    assert record.name in found.read_text()
    assert (record.job_id, record.after) == ("9", "7")
    assert read_records(run.jobs) == [record]


def test_a_submission_leaves_nothing_behind_but_the_record_and_the_jobs_folder(
    run: RunPaths, sbatch: StandIns
) -> None:
    record = submit(run, REQUEST)
    names = {path.name for path in run.jobs.directory.iterdir()}
    assert names == {run.jobs.record(record.intent).name, "9"}


def test_what_slurm_refuses_is_told_in_its_words_and_no_intent_is_left(
    run: RunPaths, sbatch: StandIns, capsys: pytest.CaptureFixture[str]
) -> None:
    sbatch.write(
        "sbatch",
        "echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2\n"
        "echo 'sbatch: error: Batch job submission failed' >&2\nexit 1",
    )
    with pytest.raises(SchedulerError) as refusal:
        submit(run, REQUEST)
    assert str(refusal.value) == (
        "sbatch refused: QOSMaxSubmitJobPerUserLimit; Batch job submission failed"
    )
    assert [record.void for record in read_records(run.jobs)] == [True]
    assert capsys.readouterr() == ("", "")
    assert [path.suffix for path in run.jobs.directory.iterdir()] == [".json"]


@pytest.mark.parametrize(
    "words",
    [
        "Socket timed out on send/recv operation",
        "Connection timed out",
        "Connection reset by peer",
        "Transport endpoint is not connected",
        "Message receive failure",
        "Unable to contact slurm controller (receive failure)",
        "Unspecified error",
        "Words of another version",
    ],
)
def test_where_nobody_knows_what_slurm_made_of_it_an_intent_is_left(
    run: RunPaths, sbatch: StandIns, words: str
) -> None:
    said = f"sbatch: error: Batch job submission failed: {words}"
    sbatch.write("sbatch", f"echo '{said}' >&2; exit 1")
    with pytest.raises(SchedulerError, match=re.escape(words)):
        submit(run, REQUEST)
    assert [record.pending for record in read_records(run.jobs)] == [True]
    remove_leftovers(run.jobs)
    assert [path.suffix for path in run.jobs.directory.iterdir()] == [".json"]


def test_a_site_s_own_words_before_a_lost_answer_are_no_refusal(
    run: RunPaths, sbatch: StandIns
) -> None:
    sbatch.write(
        "sbatch",
        "echo 'sbatch: time limit set to 60 minutes' >&2\n"
        "echo 'sbatch: error: Batch job submission failed: Connection reset by peer' >&2\nexit 1",
    )
    with pytest.raises(SchedulerError, match="Connection reset by peer"):
        submit(run, REQUEST)
    assert [record.pending for record in read_records(run.jobs)] == [True]


def test_a_remark_in_slurms_own_words_does_not_make_a_lost_answer_a_refusal(
    run: RunPaths, sbatch: StandIns
) -> None:
    sbatch.write(
        "sbatch",
        "echo 'sbatch: NOTE: the limit of this partition is 24 h' >&2\n"
        "echo 'sbatch: error: Batch job submission failed: Unexpected message' >&2\nexit 1",
    )
    with pytest.raises(SchedulerError, match="Unexpected message"):
        submit(run, REQUEST)
    assert [record.pending for record in read_records(run.jobs)] == [True]


def test_an_sbatch_that_hangs_is_given_up(
    run: RunPaths, sbatch: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emtnas_hpc.slurm.submit.PATIENCE_S", 1.0)
    sbatch.write("sbatch", "sleep 100")
    with pytest.raises(SchedulerError, match="sbatch did not answer within 1 s; is SLURM's"):
        submit(run, REQUEST)
    assert [record.pending for record in read_records(run.jobs)] == [True]


def test_an_answer_that_nobody_understands_leaves_an_intent(
    run: RunPaths, sbatch: StandIns
) -> None:
    sbatch.write("sbatch", "echo welcome")
    with pytest.raises(
        SchedulerError, match="sbatch gave an answer that is not understood: welcome"
    ):
        submit(run, REQUEST)
    assert [record.pending for record in read_records(run.jobs)] == [True]


def test_without_slurm_it_is_said_where_this_must_run(run: RunPaths, stand_ins: StandIns) -> None:
    with pytest.raises(SchedulerError, match="there is no command srun here"):
        submit(run, REQUEST)


def test_a_job_submits_as_if_it_were_none(
    run: RunPaths, sbatch: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = sbatch.folder / "found"
    (sbatch.folder / "env").symlink_to("/usr/bin/env")
    sbatch.write("sbatch", f"env > {found}; echo job 9")
    for name, value in (("JOB_ID", "7"), ("CONF", "/etc/there.conf"), ("MEM_PER_NODE", "1")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    submit(run, REQUEST, after="7")
    seen = [line for line in found.read_text().splitlines() if line.startswith("SLURM_")]
    assert seen == ["SLURM_CONF=/etc/there.conf"]
    assert os.environ["SLURM_MEM_PER_NODE"] == "1"
    assert os.environ["SLURM_CONF"] == "/etc/there.conf"


def test_outside_of_jobs_the_users_own_settings_of_slurm_count(
    run: RunPaths, sbatch: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = sbatch.folder / "found"
    sbatch.write("sbatch", f"echo $SBATCH_RESERVATION$SBATCH_PARTITION > {found}; echo job 9")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("SBATCH_RESERVATION", "ours")
    monkeypatch.setenv("SBATCH_PARTITION", "others")
    submit(run, REQUEST)
    assert found.read_text() == "ours\n"


@pytest.mark.parametrize("name", ["100%", "a\\b"])
def test_a_path_that_slurm_reads_as_a_pattern_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="which SLURM reads as a pattern; choose another --runs"):
        refuse_path(RunPaths(tmp_path / name / "cifar" / "seed-0"))


def test_the_job_finds_the_same_package_wherever_it_starts(run: RunPaths, sbatch: StandIns) -> None:
    [line] = [line for line in sbatch_text(run, REQUEST).splitlines() if "PYTHONPATH" in line]
    code = "import emtnas_hpc; print(emtnas_hpc.__file__)"
    script = f'{line}\n"{sys.executable}" -S -c "{code}"'
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd="/", env={}, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).is_file()
