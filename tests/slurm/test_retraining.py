"""What comes to a job while it trains from scratch what its search has found."""

from dataclasses import replace

import pytest
from clusters import Cluster
from deadlines import after, wait_for
from stories import Story
from tiny import Search, emtnas

pytestmark = pytest.mark.slurm


@pytest.fixture
def search(search: Search) -> Search:
    """One that is over soon, with two retrainings behind it."""
    return replace(search, generations=2, epochs=2)


@pytest.fixture
def retraining(story: Story) -> Story:
    """A seed of which one epoch is committed, and more to come."""
    story.launch()
    wait_for(lambda: story.search.epoch(0) >= 1, "an epoch", tell=story.tell)
    return story


def test_a_retraining_that_must_make_room_ends_as_if_nothing_had_happened(
    retraining: Story,
) -> None:
    job = retraining.job()
    retraining.cluster.run("scancel", "--signal=USR2", job.job_id)
    assert "-n1" in _row(retraining)
    retraining.assert_ends_as_if_nothing_had_happened()
    assert retraining.cluster.job(job.job_id).restarts == 1
    first, second = retraining.starts()
    assert first.events[-1]["event"] in ("stopped", "finished")
    # The search was over: of that only a retraining is left.
    assert {event["stage"].partition("/")[0] for event in second.events if "stage" in event} == {
        "retraining"
    }
    assert " done " in _row(retraining)


def test_a_retraining_that_is_called_off_is_taken_up_where_it_was(
    retraining: Story, cluster: Cluster
) -> None:
    done = emtnas("cancel", "tiny", "--runs", retraining.search.runs)
    assert done.returncode == 0, done.stderr
    assert cluster.queue() == []
    assert not retraining.search.is_done(0)
    assert " cancelled " in _row(retraining)
    assert "-n1" in _row(retraining)
    wait_for(after(5), "5 s")
    assert len(retraining.starts()) == 1
    done = emtnas("resume", "tiny", "--runs", retraining.search.runs)
    assert done.returncode == 0, done.stderr
    retraining.assert_ends_as_if_nothing_had_happened()


def _row(story: Story) -> str:
    """What `status` says of the seed, in a line of single spaces."""
    status = story.status()
    # Below the table the seed may be named again.
    row = next((line for line in status.splitlines() if line.startswith("tiny/seed-0  ")), "")
    assert row, status
    return " ".join(row.split())
