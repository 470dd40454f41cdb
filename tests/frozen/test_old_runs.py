"""Run directories of an earlier version: whatever moves in the code, they go on."""

import json
from pathlib import Path

import pytest
from story import COMPARING, READING, RESUMING, Story

#: Equal bits are promised where these are equal.
CONDITIONS = ("device_model", "cpu_capability", "torch", "numpy", "threads")


@pytest.fixture
def same_machine(story: Story) -> None:
    """Skips where other bits are no fault of the code."""
    old, new = (_provenance(story.folder / "runs" / name) for name in ("finished", "fresh"))
    others = [f"{name} {old[name]} -> {new[name]}" for name in CONDITIONS if old[name] != new[name]]
    if others:
        pytest.skip(f"equal bits are not promised: {', '.join(others)}")


def _provenance(experiment: Path) -> dict[str, object]:
    """What the last start of seed 0 says of itself."""
    lines = max((experiment / "seed-0/attempts").iterdir()).read_text().splitlines()
    told = [line for line in map(json.loads, lines) if "event" not in line]
    return {key: value for line in told for key, value in line.items()}


@pytest.mark.parametrize("name", READING)
def test_what_only_reads_understands_it(story: Story, name: str) -> None:
    result = story.teller.told[name].result
    assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize("name", RESUMING)
def test_what_was_cut_comes_to_its_end(story: Story, name: str) -> None:
    result = story.teller.told[name].result
    assert result.code == 0
    assert result.err.endswith("seed 0: finished, 2 generations and 2 retrainings\n")


@pytest.mark.usefixtures("same_machine")
@pytest.mark.parametrize("name", COMPARING)
def test_it_is_equal_bit_for_bit_to_a_run_of_now_from_end_to_end(story: Story, name: str) -> None:
    result = story.teller.told[name].result
    assert result.code == 0
    stages = [line.partition(" ")[0].partition("-n1-")[0] for line in result.out.splitlines()]
    assert len(stages) == 3
    assert all(" are equal bit for bit at " in line for line in result.out.splitlines())
