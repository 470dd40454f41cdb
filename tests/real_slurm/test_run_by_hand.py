"""The batch script that does without `launch`, whatever SLURM does to it."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from clusters import NO_USER_SIGNAL
from deadlines import wait_for
from pace import asleep, drowsy
from stories import Story
from tiny import assert_equal_runs

pytestmark = pytest.mark.slurm

SCRIPT = Path(__file__).parents[2] / "slurm/run-by-hand.sbatch"


def submit(story: Story, *options: str) -> str:
    """As a user does; the log lies beside the runs."""
    # Whatever the PATH of a node has.
    program = f"--export=ALL,EMTNAS={Path(sys.executable).with_name('emtnas-hpc')}"
    where = ("--chdir", story.search.runs.parent, "--partition", "gpu", program)
    words = (*where, *options, SCRIPT, *story.search.arguments())
    return story.cluster.run("sbatch", "--parsable", *words).strip()


def assert_ends(story: Story) -> None:
    """Equal to the foreground, and nothing is left in the queue."""
    wait_for(lambda: story.search.is_done(story.seed), "the end", 400.0, story.tell)
    assert_equal_runs(story.run, story.reference.of(story.search, story.seed))
    wait_for(lambda: not story.cluster.queue(), "an empty queue", tell=story.tell)


def wait_for_state(story: Story, job: str, state: str) -> None:
    wait_for(lambda: story.cluster.job(job).state == state, state, tell=story.tell)


def test_told_to_stop_it_commits_and_puts_itself_back_into_the_queue(story: Story) -> None:
    job = submit(story)
    with asleep(story):
        story.send("USR2", job, "--batch")
    assert_ends(story)
    assert story.cluster.job(job).restarts == 1
    assert len(story.starts()) == 2


def test_cancelled_it_stays_so_and_another_one_goes_on(story: Story) -> None:
    job = submit(story)
    with drowsy(story):
        story.wait_for_generation(1)
        story.cluster.run("scancel", job)
        wait_for_state(story, job, "CANCELLED")
    wait_for(lambda: not story.cluster.queue(), "an empty queue", tell=story.tell)
    assert not story.search.is_done(0)
    submit(story)
    assert_ends(story)
    assert len(story.starts()) == 2


@pytest.mark.site(NO_USER_SIGNAL)
def test_preempted_by_sigterm_it_is_requeued(story: Story) -> None:
    job = submit(story)
    with drowsy(story):
        story.wait_for_generation(1)
        hog = story.hog()
        story.wait_for_job_to_leave(job)
    story.cluster.run("scancel", hog)
    assert_ends(story)
    assert story.cluster.job(job).restarts == 1


def test_a_seed_a_task_of_an_array_each_requeued_for_itself(story: Story) -> None:
    seeds = [replace(story, seed=seed) for seed in range(2)]
    array = submit(story, "--array=0-1")
    with asleep(seeds[1]):
        seeds[1].send("USR2", f"{array}_1", "--batch")
    for seed in seeds:
        assert_ends(seed)
    assert [len(seed.starts()) for seed in seeds] == [1, 2]
