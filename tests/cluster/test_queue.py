import pytest
from stand_ins import StandIns

from emtnas_hpc.cluster.queue import QueuedJob, knows_job, parse_queue
from emtnas_hpc.errors import SchedulerError

WAITING = "2|emtnas-a-s0-01234567|PENDING|Dependency|0|N/A|N/A|afterany:1(unfulfilled)||gpu|\n"
RUNNING = "1|one|two|RUNNING|None|2|1795506037|1795506337|(null)|n1|gpu|\n"


def test_a_job_that_waits_is_read_with_its_reason_and_no_times() -> None:
    assert parse_queue(WAITING) == [
        QueuedJob(
            job_id="2",
            name="emtnas-a-s0-01234567",
            state="PENDING",
            reason="Dependency",
            dependency="afterany:1(unfulfilled)",
            partition="gpu",
        )
    ]


def test_a_job_that_runs_is_read_with_its_times_whatever_its_name_holds() -> None:
    [job] = parse_queue(RUNNING)
    assert (job.name, job.state, job.restarts) == ("one|two", "RUNNING", 2)
    assert (job.start, job.end, job.dependency, job.nodes) == (1795506037, 1795506337, "", "n1")


def test_an_empty_queue_has_no_jobs() -> None:
    assert parse_queue("\n") == []


@pytest.mark.parametrize(
    ("state", "known"),
    [("RUNNING", True), ("PENDING", True), ("SUSPENDED", True), ("COMPLETED", False)],
)
def test_a_job_is_known_until_it_has_ended(stand_ins: StandIns, state: str, known: bool) -> None:
    stand_ins.queue(f"6|somebody's|{state}|None|0|N/A|N/A|(null)|n1|gpu|")
    assert knows_job("6") is known
    assert "--me" not in stand_ins.calls[0]


def test_a_job_that_slurm_has_forgotten_is_not_known(stand_ins: StandIns) -> None:
    stand_ins.queue()
    assert knows_job("6") is False


def test_a_queue_that_refuses_for_another_reason_says_nothing_of_a_job(
    stand_ins: StandIns,
) -> None:
    stand_ins.write("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(SchedulerError, match="Unable to contact"):
        knows_job("6")
