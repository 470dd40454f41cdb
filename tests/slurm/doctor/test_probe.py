import fcntl
import json
import subprocess
import sys
from pathlib import Path

import pytest

from emtnas_hpc.slurm.probe import LOCK, NONCE, REPORT, describe_python, look

PROBE = [sys.executable, "-m", "emtnas_hpc.slurm.probe"]


@pytest.mark.slow
def test_a_probe_leaves_a_report_of_all_that_it_sees(tmp_path: Path) -> None:
    (tmp_path / NONCE).write_text("hello")
    subprocess.run([*PROBE, tmp_path], check=True, capture_output=True)
    report = json.loads((tmp_path / REPORT).read_text())
    assert {name: report[name] for name in describe_python()} == describe_python()
    assert (report["nonce"], report["replaced"], report["locked"]) == ("hello", True, False)
    assert report["conditions"]["torch"].startswith(report["versions"]["torch"])


def test_a_letter_that_did_not_arrive_is_missing(tmp_path: Path) -> None:
    assert look(tmp_path)["nonce"] is None


def test_a_lock_that_is_held_is_seen(tmp_path: Path) -> None:
    with (tmp_path / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert look(tmp_path)["locked"] is True
