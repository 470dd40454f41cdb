"""A node falls silent: SLURM gives its job to another one while the old process still writes."""

import pytest
from deadlines import wait_for
from pace import asleep
from stories import Story

pytestmark = pytest.mark.slurm


def test_a_process_on_a_lost_node_cannot_harm_its_successor(story: Story) -> None:
    story.launch()
    # It would be done before SLURM has seen that the node is gone; it is to wake up in between.
    with asleep(story):
        first, job = story.owner(), story.job()
        story.cluster.kill(f"slurmd-{job.nodes}")
        wait_for(lambda: story.owner().token != first.token, "another owner", tell=story.tell)
        assert story.owner().job_id == first.job_id
    story.assert_ends_as_if_nothing_had_happened()
    assert story.cluster.job(job.job_id).nodes != job.nodes
    old, new = story.starts()
    assert old.events[-1]["event"] == "superseded"
    assert new.events[-1]["event"] == "finished"
