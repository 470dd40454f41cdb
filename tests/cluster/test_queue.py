from emtnas_hpc.cluster.queue import QueuedJob, parse_queue

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


def test_a_job_waits_for_the_job_in_its_dependency_and_for_no_other() -> None:
    [job] = parse_queue(WAITING.replace("afterany:1(", "afterany:1:23(unfulfilled),singleton("))
    assert job.waits_for("1")
    assert job.waits_for("23")
    assert not job.waits_for("2")
