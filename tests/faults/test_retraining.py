"""Faults under a real retraining, as a user would meet them on the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def kill_loop(*arguments: str, results: Path) -> dict[str, Any]:
    """Runs tools/kill-loop, which has to find nothing, and returns what it did."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/kill-loop"), *arguments, "--json", str(results)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal bit for bit" in done.stdout
    (result,) = json.loads(results.read_text())
    return dict(result)


@pytest.mark.timeout(900)
def test_a_retraining_interrupted_in_every_phase_ends_in_the_bits_of_an_uninterrupted_one(
    tmp_path: Path,
) -> None:
    case = ("--retraining", "--case", "K1-threads1-commit0", "--kills", "3")
    result = kill_loop(*case, results=tmp_path / "results.json")
    assert sum(result["hits"].values()) == 6
    assert {hit for hit in result["hits"] if hit.startswith("SIGKILL")} == {
        *("SIGKILL in commit", "SIGKILL in training retraining", "SIGKILL in test retraining"),
    }


@pytest.mark.timeout(900)
def test_a_retraining_killed_at_any_moments_and_cut_inside_an_epoch_ends_in_the_same_bits(
    tmp_path: Path,
) -> None:
    result = kill_loop("--moments", "2", results=tmp_path / "results.json")
    assert result["hits"]["SIGKILL"] == 2
    assert result["cut_inside_epoch"] > 0
