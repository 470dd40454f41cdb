"""Preempted again and again, before anything could be committed."""

import pytest
from deadlines import wait_for
from stories import Story

pytestmark = pytest.mark.slurm


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
