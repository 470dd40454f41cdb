"""Sites that requeue nothing by themselves, and jobs that must not be requeued at all."""

import pytest
from clusters import NO_REQUEUE
from pace import asleep
from stories import Story

pytestmark = [pytest.mark.slurm, pytest.mark.site(NO_REQUEUE)]


def test_a_job_may_ask_for_what_the_site_does_not_do_by_itself(story: Story) -> None:
    story.launch()
    with asleep(story):
        job = story.job()
        story.send("USR2", job.job_id)
    story.assert_ends_as_if_nothing_had_happened()
    assert story.cluster.job(job.job_id).restarts == 1


def test_where_a_requeue_is_refused_the_standby_job_goes_on(story: Story) -> None:
    story.launch()
    with asleep(story):
        job = story.job()
        story.cluster.run("scontrol", "update", f"JobId={job.job_id}", "Requeue=0")
        story.send("USR2", job.job_id)
    story.assert_ends_as_if_nothing_had_happened()
    assert story.cluster.job(job.job_id).state == "FAILED"
    assert story.starts()[1].provenance["job_id"] != job.job_id
