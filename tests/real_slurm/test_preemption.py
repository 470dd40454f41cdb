"""A job of higher priority takes the GPUs; the site sends our signal before it does."""

import pytest
from pace import asleep
from stories import Story

pytestmark = pytest.mark.slurm


def test_a_preempted_seed_goes_on_when_there_is_room_again(story: Story) -> None:
    story.launch()
    with asleep(story):
        job = story.job()
        story.preempt()
    story.assert_ends_as_if_nothing_had_happened()
    assert story.cluster.job(job.job_id).restarts == 1
    assert "SIGUSR2" in [event["signal"] for event in story.events("signal")]


def test_a_seed_goes_on_where_preempted_jobs_are_cancelled(story: Story) -> None:
    story.launch(partition="scav")
    with asleep(story):
        story.preempt()
    story.assert_ends_as_if_nothing_had_happened()
    assert len(story.starts()) == 2
