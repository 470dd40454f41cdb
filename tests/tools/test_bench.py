"""tools/bench runs and writes what it found; no test asserts a time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "tools/bench"
TINY = ("--quick", "--channels", "4", "--image-size", "8", "--batch-size", "8", "--threads", "1")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, BENCH, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_every_measurement_is_in_the_table_and_in_the_file(tmp_path):
    file = tmp_path / "bench.json"
    parts = ("--part", "networks", "--part", "augmentation", "--part", "breeding")
    done = run(*TINY, *parts, "--json", str(file))
    assert done.returncode == 0, done.stderr
    report = json.loads(file.read_text())
    assert {"cpu", "cores", "torch", "emtnas-hpc"} <= set(report["hardware"])
    assert report["settings"]["individuals"] == 2
    for row in report["rows"]:
        assert row["what"] in done.stdout
        assert row["wall"] > 0
    named = {row["what"] for row in report["rows"]}
    assert {
        "training step, supernet / reference",
        "evaluation of 1000 images, supernet / stand-alone",
        "augmentation of 128 images",
        "breeding and selection, 20 individuals, 2 tasks",
    } <= named


@pytest.mark.slow
def test_a_commit_and_a_resume_leave_nothing_behind(tmp_path):
    done = run("--quick", "--part", "storage", "--directory", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "CIFAR, 2 tasks: commit" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_status_over_many_runs_is_timed_with_two_calls_of_slurm(tmp_path):
    done = run("--quick", "--part", "status", "--directory", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "status, 20 runs, 2 calls of SLURM" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_report_over_many_runs_is_timed_in_every_text_format(tmp_path):
    done = run("--quick", "--part", "report", "--directory", str(tmp_path))
    assert done.returncode == 0, done.stderr
    for wanted in ("screen", "markdown", "latex", "csv", "json", "memory"):
        assert f"report, 4 runs of 3 generations: {wanted}" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--part networking", "invalid choice: 'networking'"),
        ("--repetitions 0", "argument --repetitions: 0, expected at least 1"),
        ("--quick --individuals 4", "--quick sets --individuals to 2; leave out one of them"),
        ("--device cuda --part status", "leave out --part"),
        ("--device cuda --channels 48", "--channels changes nothing in device"),
        ("--device cpu --precision fp32", "--precision is for --device cuda"),
        (
            "--part status --part storage --threads 1",
            "--threads changes nothing in status, storage",
        ),
    ],
)
def test_what_would_be_left_undone_is_refused(words, message):
    done = run(*words.split())
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.slow
def test_the_file_holds_no_setting_that_was_not_read(tmp_path):
    done = run("--quick", "--part", "breeding", "--json", str(tmp_path / "bench.json"))
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "bench.json").read_text())["settings"] == {"quick": True}
