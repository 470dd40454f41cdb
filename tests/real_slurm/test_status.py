"""`status` where SLURM does not answer."""

import pytest
from pace import drowsy
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
    with drowsy(story):
        story.wait_for_generation(1)
        before = story.status()
        getattr(story.cluster, obstacle)("slurmctld")
        done = emtnas("status", "--runs", story.search.runs, within_s=PATIENCE_S)
        story.cluster.mend()
    assert done.returncode == 0
    # Once, however many calls would have failed.
    [complaint] = done.stderr.splitlines()
    assert complaint.endswith("; states are those of the run directories")
    assert "it lives; SLURM cannot be asked" in done.stdout
    assert "it lives; SLURM cannot be asked" not in before
    assert _columns(done.stdout)[:4] == _columns(before)[:4] == RUNNING
    story.assert_ends_as_if_nothing_had_happened()


#: The run, its state, its stage and how far that is.
RUNNING = ["tiny/seed-0", "running", "search", "1/8"]


def _columns(status: str) -> list[str]:
    rows = [line for line in status.splitlines() if line.startswith("tiny/seed-0  ")]
    assert rows, status
    return rows[0].split()
