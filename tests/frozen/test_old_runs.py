"""Run directories of an earlier version: whatever moves in the code, they go on."""

import pytest
from recording import COMPARING, READING, RESUMING, Recording

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", READING)
def test_what_only_reads_understands_it(recording: Recording, name: str) -> None:
    result = recording.recorder.transcripts[name].result
    assert result.code == 0
    assert "skipped" not in result.err


@pytest.mark.parametrize("name", RESUMING)
def test_what_was_cut_comes_to_its_end(recording: Recording, name: str) -> None:
    result = recording.recorder.transcripts[name].result
    assert result.code == 0
    assert result.err.endswith("seed 0: finished, 2 generations and 2 retrainings\n")


@pytest.mark.parametrize("name", COMPARING)
def test_it_is_equal_bit_for_bit_to_a_run_of_now_from_end_to_end(
    recording: Recording, name: str
) -> None:
    if recording.other_conditions:
        pytest.skip(f"equal bits are not promised: {recording.other_conditions}")
    result = recording.recorder.transcripts[name].result
    assert result.code == 0
    lines = result.out.splitlines()
    assert [line.partition(" of ")[0].partition("-n1-")[0] for line in lines[1:]] == [
        "retraining/again",
        "retraining/digits",
    ]
    assert [" ".join(line.split()[-2:]) for line in lines] == ["generation 2", "step 4", "step 4"]
    assert all(" are equal bit for bit at " in line for line in lines)
