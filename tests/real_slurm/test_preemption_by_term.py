"""The same where a site sends nothing but SIGTERM, and kills at the end of the grace time."""

import pytest
from clusters import NO_USER_SIGNAL
from pace import drowsy
from stories import Story

pytestmark = [pytest.mark.slurm, pytest.mark.site(NO_USER_SIGNAL)]


@pytest.mark.parametrize("partition", ["gpu", "scav"])
def test_a_seed_that_was_killed_goes_on(story: Story, partition: str) -> None:
    story.launch(partition=partition)
    # Else it ends before it is killed.
    with drowsy(story):
        story.wait_for_generation(1)
        first = story.job()
        # Another one would find room on the node that ours is not on.
        urgent = story.hog()
        story.wait_for_job_to_leave(first.job_id)
    story.cluster.run("scancel", urgent)
    story.assert_ends_as_if_nothing_had_happened()
    assert "SIGTERM" in [event["signal"] for event in story.events("signal")]
    second = story.starts()[1].provenance["job_id"]
    # Requeued by SLURM itself, or followed by the standby job.
    assert (second == first.job_id) == (partition == "gpu")
