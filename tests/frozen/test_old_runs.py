"""Run directories of an earlier version: whatever moves in the code, they go on."""

import pytest
from story import COMPARING, READING, RESUMING, Story


@pytest.mark.parametrize("name", READING)
def test_what_only_reads_understands_it(story: Story, name: str) -> None:
    result = story.teller.told[name].result
    assert result.code == 0
    assert "skipped" not in result.err


@pytest.mark.parametrize("name", RESUMING)
def test_what_was_cut_comes_to_its_end(story: Story, name: str) -> None:
    result = story.teller.told[name].result
    assert result.code == 0
    assert result.err.endswith("seed 0: finished, 2 generations and 2 retrainings\n")


@pytest.mark.parametrize("name", COMPARING)
def test_it_is_equal_bit_for_bit_to_a_run_of_now_from_end_to_end(story: Story, name: str) -> None:
    if story.other_conditions:
        pytest.skip(f"equal bits are not promised: {story.other_conditions}")
    result = story.teller.told[name].result
    assert result.code == 0
    lines = result.out.splitlines()
    assert [line.partition(" of ")[0].partition("-n1-")[0] for line in lines[1:]] == [
        "retraining/again",
        "retraining/digits",
    ]
    assert [" ".join(line.split()[-2:]) for line in lines] == ["generation 2", "step 4", "step 4"]
    assert all(" are equal bit for bit at " in line for line in lines)
