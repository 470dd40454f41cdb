from pathlib import Path

import pytest
from stand_ins import StandIns, queue_line, record_job

from emtnas_hpc.cluster.profile import Profile
from emtnas_hpc.cluster.records import read_records
from emtnas_hpc.cluster.request import JobRequest
from emtnas_hpc.cluster.spares import cancel_spares, keep_spare
from emtnas_hpc.store.paths import RunPaths

REQUEST = JobRequest(profile=Profile(), data="/data", device="cpu", mend="prepare it")


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / "runs" / "cifar" / "seed-0")


@pytest.fixture
def sbatch(stand_ins: StandIns) -> StandIns:
    """SLURM's commands, and an sbatch that gives the next job the id 9."""
    (stand_ins.folder / "timeout").symlink_to("/usr/bin/timeout")
    stand_ins.write("srun", "")
    stand_ins.write("sbatch", "echo Submitted batch job 9")
    return stand_ins


def _submissions(stand_ins: StandIns) -> list[str]:
    return [call for call in stand_ins.calls if call.startswith("sbatch")]


def test_a_job_with_nobody_behind_it_submits_its_spare(run: RunPaths, sbatch: StandIns) -> None:
    me = record_job(run, "7")
    sbatch.queue(queue_line(me, "RUNNING"))
    said: list[str] = []
    keep_spare(run, REQUEST, "7", said.append)
    spare = read_records(run.jobs)[-1]
    assert (spare.job_id, spare.after) == ("9", "7")
    assert said == ["job 9 is the spare of this one"]


@pytest.mark.parametrize("after", ["7", None], ids=["behind this job", "independent of it"])
def test_any_job_of_the_run_that_waits_is_its_spare(
    run: RunPaths, sbatch: StandIns, after: str | None
) -> None:
    me, spare = record_job(run, "7"), record_job(run, "8", after)
    sbatch.queue(queue_line(me, "RUNNING"), queue_line(spare, "PENDING", "Dependency"))
    keep_spare(run, REQUEST, "7", pytest.fail)
    assert _submissions(sbatch) == []


def test_a_waiting_job_whose_id_was_never_recorded_is_known_by_its_name(
    run: RunPaths, sbatch: StandIns
) -> None:
    me, intent = record_job(run, "7"), record_job(run, None, "7")
    line = queue_line(intent, "PENDING", "Dependency").replace("None|", "8|", 1)
    sbatch.queue(queue_line(me, "RUNNING"), line)
    keep_spare(run, REQUEST, "7", pytest.fail)
    assert _submissions(sbatch) == []


def test_a_spare_that_was_cancelled_is_replaced(run: RunPaths, sbatch: StandIns) -> None:
    me = record_job(run, "7")
    record_job(run, "8", after="7")
    sbatch.queue(queue_line(me, "RUNNING"))
    keep_spare(run, REQUEST, "7", lambda _: None)
    assert len(_submissions(sbatch)) == 1


def test_the_jobs_of_other_runs_are_no_spare(run: RunPaths, sbatch: StandIns) -> None:
    me = record_job(run, "7")
    other = record_job(RunPaths(run.directory.with_name("seed-1")), "8")
    sbatch.queue(queue_line(me, "RUNNING"), queue_line(other, "PENDING"))
    keep_spare(run, REQUEST, "7", lambda _: None)
    assert len(_submissions(sbatch)) == 1


def test_a_run_that_was_called_off_gets_no_spare(run: RunPaths, sbatch: StandIns) -> None:
    sbatch.queue(queue_line(record_job(run, "7"), "RUNNING"))
    run.directory.mkdir()
    run.cancelled.write_text("by me")
    keep_spare(run, REQUEST, "7", pytest.fail)
    assert _submissions(sbatch) == []


def test_an_sbatch_that_refuses_is_no_reason_to_stop(run: RunPaths, sbatch: StandIns) -> None:
    sbatch.queue(queue_line(record_job(run, "7"), "RUNNING"))
    sbatch.write("sbatch", "echo 'sbatch: error: not from a node' >&2; exit 1")
    said: list[str] = []
    keep_spare(run, REQUEST, "7", said.append)
    [message] = said
    assert message.startswith("no spare was submitted: ")
    assert "not from a node" in message


def test_a_queue_that_cannot_be_asked_is_no_reason_to_stop(
    run: RunPaths, stand_ins: StandIns
) -> None:
    record_job(run, "7")
    said: list[str] = []
    keep_spare(run, REQUEST, "7", said.append)
    cancel_spares(run, "7", said.append)
    assert [message.partition(":")[0] for message in said] == [
        "no spare was submitted",
        "the spare was not cancelled",
    ]


def test_the_spares_of_a_run_are_cancelled_and_no_job_that_runs(
    run: RunPaths, stand_ins: StandIns
) -> None:
    me, spare, second = record_job(run, "7"), record_job(run, "8", "7"), record_job(run, "9", "8")
    stand_ins.queue(
        queue_line(me, "RUNNING"), queue_line(spare, "PENDING"), queue_line(second, "PENDING")
    )
    said: list[str] = []
    cancel_spares(run, "7", said.append)
    assert stand_ins.calls[-1] == "scancel 8 9"
    assert said == ["cancelled the spare 8, 9"]


def test_without_spares_nothing_is_cancelled(run: RunPaths, stand_ins: StandIns) -> None:
    stand_ins.queue(queue_line(record_job(run, "7"), "RUNNING"))
    cancel_spares(run, "7", pytest.fail)
    assert [call.split()[0] for call in stand_ins.calls] == ["squeue"]
