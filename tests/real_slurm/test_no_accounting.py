"""Sites where sacct knows nothing."""

import pytest
from clusters import NO_ACCOUNTING
from pace import asleep
from stories import Story

pytestmark = [pytest.mark.slurm, pytest.mark.site(NO_ACCOUNTING)]


def test_a_seed_is_launched_requeued_and_watched_all_the_same(story: Story) -> None:
    story.launch()
    with asleep(story):
        assert "running" in story.status()
        story.send("USR2", story.job().job_id)
    story.assert_ends_as_if_nothing_had_happened()
    assert "done" in story.status()
