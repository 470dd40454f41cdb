"""What comes to a job while it trains from scratch what its search has found."""

from contextlib import AbstractContextManager
from dataclasses import replace

import pytest
from clusters import Cluster
from deadlines import after, wait_for
from pace import asleep
from stories import Story
from tiny import Search, emtnas

pytestmark = pytest.mark.slurm


@pytest.fixture
def search(search: Search) -> Search:
    """One that is over soon, with two retrainings behind it."""
    return replace(search, generations=2, epochs=2)


def asleep_in_a_retraining(story: Story) -> AbstractContextManager[None]:
    """Within the block one epoch is committed, and more are to come."""
    return asleep(story, lambda: story.search.epoch(story.seed) >= 1)


def test_a_retraining_that_must_make_room_ends_as_if_nothing_had_happened(
    story: Story,
) -> None:
    story.launch()
    with asleep_in_a_retraining(story):
        job = story.job()
        story.send("USR2", job.job_id)
        assert "-n1" in _row(story)
    story.assert_ends_as_if_nothing_had_happened()
    assert story.cluster.job(job.job_id).restarts == 1
    first, second = story.starts()
    assert first.events[-1]["event"] in ("stopped", "finished")
    # The search was over: of that only a retraining is left.
    assert {event["stage"].partition("/")[0] for event in second.events if "stage" in event} == {
        "retraining"
    }
    assert " done " in _row(story)


def test_a_retraining_that_is_called_off_is_taken_up_where_it_was(
    story: Story, cluster: Cluster
) -> None:
    story.launch()
    with asleep_in_a_retraining(story):
        done = emtnas("cancel", "tiny", "--runs", story.search.runs)
    assert done.returncode == 0, done.stderr
    assert cluster.queue() == []
    assert not story.search.is_done(0)
    assert " cancelled " in _row(story)
    assert "-n1" in _row(story)
    wait_for(after(5), "5 s")
    assert len(story.starts()) == 1
    done = emtnas("resume", "tiny", "--runs", story.search.runs)
    assert done.returncode == 0, done.stderr
    story.assert_ends_as_if_nothing_had_happened()


def _row(story: Story) -> str:
    """What `status` says of the seed, in a line of single spaces."""
    status = story.status()
    # Below the table the seed may be named again.
    row = next((line for line in status.splitlines() if line.startswith("tiny/seed-0  ")), "")
    assert row, status
    return " ".join(row.split())
