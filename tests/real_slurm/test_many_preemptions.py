"""Preempted again and again, before anything could be committed."""

from pathlib import Path

import pytest
from deadlines import wait_for
from stories import Story

pytestmark = pytest.mark.slurm

#: Leaving takes 30 s of it; what remains is how long a first generation may go on once it is asked
#: to stop. More would be more than this site's grace time: each job would wait to be killed.
PROFILE = 'partition = "gpu"\nlead_time_s = 31\n'


def test_ten_preemptions_before_a_generation_is_done_are_not_held_against_it(
    story: Story, tmp_path: Path
) -> None:
    profile = tmp_path / "impatient.toml"
    profile.write_text(PROFILE)
    # Minutes a generation.
    story = story.of(batches=4000, generations=2)
    story.launch("--profile", str(profile))
    for number in range(1, 11):
        story.wait_for_start(number)
        wait_for(lambda: _searches(story), "a search under way", tell=story.tell)
        story.preempt()
    story.wait_for_start(11)
    assert story.search.generation(0) == 0
    assert len(story.events("abandoned")) == 10
    assert not story.run.failed.exists()
    status = story.status()
    assert " failed " not in status


def _searches(story: Story) -> bool:
    """Whether the newest start is past its preparations."""
    return any(event["event"] == "started" for event in story.starts()[-1].events)
