"""Faults under a real retraining, as a user would meet them on the command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(900)
def test_a_retraining_interrupted_in_every_phase_ends_in_the_bits_of_an_uninterrupted_one(
    tmp_path: Path,
) -> None:
    results = tmp_path / "results.json"
    case = ["--retraining", "--case", "K1-threads1-commit0", "--kills", "3"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/kill-loop"), *case, "--json", str(results)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal bit for bit" in done.stdout
    (result,) = json.loads(results.read_text())
    assert sum(result["hits"].values()) == 6
    assert {hit for hit in result["hits"] if hit.startswith("SIGKILL")} == {
        *("SIGKILL in commit", "SIGKILL in training retraining", "SIGKILL in test retraining"),
    }
