"""A job of higher priority takes the GPUs; the site sends our signal before it does."""

import pytest
from deadlines import wait_for
from stories import Story

pytestmark = pytest.mark.slurm


def test_a_preempted_seed_goes_on_when_there_is_room_again(story: Story) -> None:
    story.launch()
    story.wait_for_generation(1)
    job = story.job()
    story.preempt()
    story.assert_ends_as_if_nothing_had_happened()
    assert story.cluster.job(job.job_id).restarts == 1
    assert "SIGUSR2" in [event["signal"] for event in story.events("signal")]


def test_a_seed_goes_on_where_preempted_jobs_are_cancelled(story: Story) -> None:
    story.launch(partition="scav")
    story.wait_for_generation(1)
    story.preempt()
    story.assert_ends_as_if_nothing_had_happened()
    assert len(story.starts()) == 2


def test_ten_preemptions_before_a_generation_is_done_are_not_held_against_it(story: Story) -> None:
    # Minutes a generation.
    story = story.of(batches=4000, generations=2)
    story.launch()
    for number in range(1, 11):
        story.wait_for_start(number)
        wait_for(lambda: _searches(story), "a search under way", tell=story.tell)
        story.preempt()
    story.wait_for_start(11)
    assert story.search.generation(0) == 0
    assert not story.run.failed.exists()
    status = story.status()
    assert " failed " not in status


def _searches(story: Story) -> bool:
    """Whether the newest start is past its preparations."""
    return any(event["event"] == "started" for event in story.starts()[-1].events)
