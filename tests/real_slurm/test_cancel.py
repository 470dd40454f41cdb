"""`cancel` ends what runs and what waits, and nothing begins again."""

from dataclasses import replace

import pytest
from deadlines import after, wait_for
from stories import Story
from tiny import emtnas

pytestmark = pytest.mark.slurm


def test_nothing_is_left_of_jobs_that_run_wait_or_are_standby_jobs(story: Story) -> None:
    story = story.of(generations=1000)
    seeds = [replace(story, seed=seed) for seed in range(5)]
    for seed in seeds:
        seed.launch()
    # Four GPUs: the fifth waits.
    wait_for(lambda: _states(story).count("RUNNING") == 4, "four jobs", tell=story.tell)
    assert _states(story).count("PENDING") == 6
    wait_for(lambda: all(seed.starts() for seed in seeds[:4]), "their starts", tell=story.tell)
    done = emtnas("cancel", "tiny", "--runs", story.search.runs)
    assert done.returncode == 0, done.stderr
    assert story.cluster.queue() == []
    n_starts = [len(seed.starts()) for seed in seeds]
    wait_for(after(15), "15 s")
    assert story.cluster.queue() == []
    assert [len(seed.starts()) for seed in seeds] == n_starts
    assert story.status().count("cancelled") >= 5


def _states(story: Story) -> list[str]:
    return [line.split()[3] for line in story.cluster.queue()]
