"""What tools/fuzz draws, a few of each kind."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from fuzzing import slurm_answers


@pytest.mark.parametrize("block", range(10))
def test_no_damaged_answer_of_slurm_costs_or_doubles_a_job(tmp_path: Path, block: int) -> None:
    for number in range(20 * block, 20 * (block + 1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        slurm_answers.fuzz_one(random.Random(f"0 {number}"), folder)
