"""A run that fails again and again is given up, and says why."""

import shutil

import pytest
from deadlines import wait_for
from stories import Story

pytestmark = pytest.mark.slurm


def test_a_crash_loop_ends_after_three_starts_and_status_has_its_last_words(
    story: Story,
) -> None:
    own_data = story.search.runs.parent / "data"
    shutil.copytree(story.search.data, own_data)
    story = story.of(data=own_data)
    # So that it begins only after its data is gone.
    hog = story.occupy()
    story.launch()
    shutil.rmtree(own_data)
    # Of these data sets every job would make what is missing.
    own_data.write_text("no directory\n")
    story.cluster.run("scancel", hog)
    wait_for(story.run.failed.exists, "the mark", tell=story.tell)
    wait_for(lambda: not story.cluster.queue(), "an empty queue", tell=story.tell)
    assert len(story.starts()) == 3
    last_words = str(story.events("failed")[-1]["error"])
    status = " ".join(story.status().split())
    assert "failed" in status
    assert last_words in status
