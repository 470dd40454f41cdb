"""`status` where SLURM does not answer."""

import pytest
from stories import Story
from tiny import emtnas

pytestmark = pytest.mark.slurm

#: As long as a user waits to hear so.
PATIENCE_S = 20.0


@pytest.mark.parametrize("obstacle", ["end", "stop"])
def test_a_controller_that_is_down_or_hangs_is_said_beside_what_the_directories_tell(
    story: Story, obstacle: str
) -> None:
    story.launch()
    story.wait_for_generation(1)
    getattr(story.cluster, obstacle)("slurmctld")
    done = emtnas("status", "--runs", story.search.runs, within_s=PATIENCE_S)
    assert "states are those of the run directories" in done.stderr
    assert "tiny" in done.stdout
    story.cluster.mend()
    story.assert_ends_as_if_nothing_had_happened()
