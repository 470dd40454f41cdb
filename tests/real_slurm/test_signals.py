"""What may come at any moment to the process of a job, and what becomes of its seed."""

import os
import random
import signal
from pathlib import Path

import pytest
from deadlines import after, wait_for
from pace import asleep, drowsy
from stories import Story

from emtnas_hpc.runner.attempts import ENDS

pytestmark = pytest.mark.slurm

#: Imported by every Python that finds it: lets a job fork a child once its search goes on.
FORKING = Path(__file__).with_name("forking")


@pytest.mark.parametrize("generation", [0, 1])
def test_a_signal_to_make_room_at_a_random_moment(story: Story, generation: int) -> None:
    story.launch()
    story.wait_for_generation(generation)
    job = story.job()
    moment = random.uniform(0, 2)
    wait_for(after(moment), f"{moment:.3f} s")
    # Where the machine is fast it comes after the end, and is refused.
    story.cluster.attempt("scancel", "--signal=USR2", job.job_id)
    story.assert_ends_as_if_nothing_had_happened()
    assert len(story.starts()) <= 2, moment


def test_a_signal_during_start_up(story: Story) -> None:
    story.launch()
    first = wait_for(
        lambda: [line for line in story.cluster.queue() if " RUNNING " in line],
        "a job",
        tell=story.tell,
    )[0].split()[0]
    # Not by scancel: from a job whose step has not begun, that reaches nobody and says nothing.
    # Python has hardly begun: nobody listens yet, and the signal kills.
    os.kill(story.cluster.wait_for_task(first), signal.SIGUSR2)
    story.assert_ends_as_if_nothing_had_happened()
    ended = story.cluster.job(first)
    if ended.state == "FAILED":
        # It came to nothing, and left no start that would count against the run.
        [start] = story.starts()
        assert start.provenance["job_id"] != first
    else:
        # This test was slow: the job listened already, and was requeued.
        assert (ended.state, ended.restarts) == ("COMPLETED", 1)


def test_sigterm_alone_stops_nothing(story: Story) -> None:
    story.launch()
    with asleep(story):
        story.send("TERM", story.job().job_id)
    story.assert_ends_as_if_nothing_had_happened()
    [start] = story.starts()
    assert {event["signal"] for event in story.events("signal")} - {"SIGCONT"} == {"SIGTERM"}
    assert start.events[-1]["event"] == "finished"


def test_a_requeue_by_hand(story: Story) -> None:
    story.launch()
    with drowsy(story):
        story.wait_for_generation(1)
        job = story.job()
        story.cluster.run("scontrol", "requeue", job.job_id)
        story.wait_for_job_to_leave(job.job_id)
    story.assert_ends_as_if_nothing_had_happened()
    assert story.cluster.job(job.job_id).restarts == 1
    assert len(story.starts()) == 2


def test_a_killed_process_is_followed_by_the_standby_job(story: Story) -> None:
    story.launch()
    with asleep(story):
        job = story.job()
        story.kill()
    story.assert_ends_as_if_nothing_had_happened()
    assert story.cluster.job(job.job_id).state == "FAILED"
    assert story.starts()[1].provenance["job_id"] != job.job_id


def test_a_job_that_was_cancelled_by_its_number_is_followed_by_the_standby_job(
    story: Story,
) -> None:
    story.launch()
    with drowsy(story):
        story.wait_for_generation(1)
        job = story.job()
        story.cluster.run("scancel", job.job_id)
        story.wait_for_job_to_leave(job.job_id)
    story.assert_ends_as_if_nothing_had_happened()
    assert story.cluster.job(job.job_id).state == "CANCELLED"
    first, second = story.starts()
    # It was killed: SIGTERM alone stops nothing.
    assert not {event["event"] for event in first.events} & ENDS
    assert second.provenance["job_id"] != job.job_id
    assert not story.run.cancelled.exists()


def test_children_of_the_job_stay_out_of_it(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FORKING), prepend=os.pathsep)
    monkeypatch.setenv("FORK_FOR", str(story.run.attempts))
    story.launch()
    child = int(wait_for(lambda: _read(story.run.attempts / "child"), "a child", tell=story.tell))
    with asleep(story):
        parent = story.owner()
        job = story.job()
        story.send("USR2", job.job_id)
    story.assert_ends_as_if_nothing_had_happened()
    assert child != parent.pid
    # One of them asked for a requeue, and SLURM agreed.
    assert story.cluster.job(job.job_id).restarts == 1
    assert len(story.starts()) == 2
    assert [event["signal"] for event in story.events("signal")].count("SIGUSR2") == 1
    assert _read(story.run.attempts / "heard") == "nothing\n"


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""
