"""The shortest limit that SLURM knows, reached twice."""

import json
import statistics

import pytest
from stories import Story
from tiny import emtnas

pytestmark = pytest.mark.slurm

#: Work for more than two jobs of a minute.
WORK_S = 110.0
GENERATIONS = 60


def test_a_limit_of_a_minute_that_is_reached_twice(story: Story) -> None:
    seconds_a_batch = _measure(story) / story.search.batches
    batches = max(1, round(WORK_S / GENERATIONS / seconds_a_batch))
    story = story.of(generations=GENERATIONS, batches=batches)
    story.launch("--time", "1")
    story.assert_ends_as_if_nothing_had_happened()
    starts = story.starts()
    assert len(starts) >= 3
    for start in starts[:-1]:
        assert start.events[-1]["event"] in ("stopped", "abandoned")
    assert {start.provenance["job_id"] for start in starts} == {starts[0].provenance["job_id"]}


def _measure(story: Story) -> float:
    """Seconds of a generation on this machine."""
    probe = story.of(name="probe", generations=4).search
    done = emtnas("run", *probe.arguments(), "--events")
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return statistics.median(event["seconds"] for event in events if event["kind"] == "step")
