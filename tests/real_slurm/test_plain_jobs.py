"""A search in a batch script of one line, without any of our commands for SLURM."""

import shlex
import sys

import pytest
from deadlines import wait_for
from pace import asleep
from stories import Story

pytestmark = pytest.mark.slurm


def submit(story: Story) -> str:
    command = (sys.executable, "-m", "emtnas_hpc", "run", *story.search.arguments())
    logs = story.search.runs.parent
    return story.cluster.submit(f"srun {shlex.join(command)}", "--gpus=1", logs=logs)


def test_a_requeued_search_ends_as_if_nothing_had_happened(story: Story) -> None:
    job = submit(story)
    with asleep(story):
        story.cluster.run("scontrol", "requeue", job)
        wait_for(lambda: story.cluster.job(job).restarts, "a requeue", tell=story.tell)
    story.assert_ends_as_if_nothing_had_happened()
    assert len(story.starts()) == 2


def test_a_killed_search_is_ended_by_the_next_job(story: Story) -> None:
    job = submit(story)
    with asleep(story):
        story.kill()
    wait_for(lambda: story.cluster.job(job).state == "FAILED", "its end", tell=story.tell)
    submit(story)
    story.assert_ends_as_if_nothing_had_happened()
    assert len(story.starts()) == 2
