import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emtnas_hpc.slurm.probe import HEARD, LETTER, LOCK, REPORT, describe_python, look

PROBE = [sys.executable, "-m", "emtnas_hpc.slurm.probe"]


def test_a_probe_leaves_a_report_of_all_that_it_sees(tmp_path: Path) -> None:
    (tmp_path / LETTER).write_text("hello")
    subprocess.run([*PROBE, tmp_path, "look"], check=True, capture_output=True)
    report = json.loads((tmp_path / REPORT).read_text())
    assert {name: report[name] for name in describe_python()} == describe_python()
    assert (report["letter"], report["replaced"], report["locked"]) == ("hello", True, False)
    assert report["conditions"]["torch"].startswith(report["versions"]["torch"])


def test_a_letter_that_did_not_arrive_is_missing(tmp_path: Path) -> None:
    assert look(tmp_path)["letter"] is None


def test_a_lock_that_is_held_is_seen(tmp_path: Path) -> None:
    with (tmp_path / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert look(tmp_path)["locked"] is True


def test_a_listener_writes_down_every_signal_until_it_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([*PROBE, tmp_path, "listen"]) as listener:
        _wait_for_lines(tmp_path / HEARD, 1)
        for n, number in enumerate((signal.SIGUSR2, signal.SIGTERM), start=2):
            os.kill(listener.pid, number)
            _wait_for_lines(tmp_path / HEARD, n)
        listener.kill()
    heard = [json.loads(line)["signal"] for line in (tmp_path / HEARD).read_text().splitlines()]
    assert heard == ["start", "SIGUSR2", "SIGTERM"]


def _wait_for_lines(file: Path, n: int) -> None:
    end = time.monotonic() + 60
    while not file.exists() or file.read_text().count("\n") < n:
        if time.monotonic() > end:
            pytest.fail(f"{file} has no {n} lines")
        time.sleep(0.02)
