"""The shortest limit that SLURM knows."""

import re

import pytest
from deadlines import wait_for
from pace import drowsy
from stories import Story

pytestmark = pytest.mark.slurm


def test_a_limit_of_a_minute_that_is_reached_twice(story: Story) -> None:
    story.launch("--time", "1")
    with drowsy(story):
        wait_for(lambda: len(story.starts()) == 3, "start 3", 300.0, tell=story.tell)
    story.assert_ends_as_if_nothing_had_happened()
    starts = story.starts()
    for start in starts[:-1]:
        assert start.events[-1]["event"] in ("stopped", "abandoned")
    assert {start.provenance["job_id"] for start in starts} == {starts[0].provenance["job_id"]}


def test_a_limit_too_short_for_one_generation_is_given_up_with_the_numbers(story: Story) -> None:
    # Minutes a generation.
    story = story.of(generations=2, batches=4000)
    story.launch("--time", "1")
    wait_for(story.run.failed.exists, "the mark", 400.0, tell=story.tell)
    wait_for(lambda: not story.cluster.queue(), "an empty queue", tell=story.tell)
    assert len(story.events("abandoned")) == 3
    reason = r"one generation takes more than \d+ s, the limit is (1 min|\d+ s), of which 15 s are"
    assert re.search(reason, " ".join(story.status().split()))
