"""tools/fuzz finds nothing in two hundred inputs of a kind; what it finds can be repeated."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

FUZZ = Path(__file__).parents[2] / "tools/fuzz"


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, FUZZ, *arguments], capture_output=True, text=True, check=False
    )


def test_two_hundred_random_folders_of_pictures_are_prepared_or_refused_in_a_line() -> None:
    done = run("pictures", "--inputs", "200", "--seed", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "pictures: 200 inputs of seed 0, 0 failed\n"


def test_two_hundred_damaged_answers_of_slurm_cost_and_double_no_job() -> None:
    done = run("slurm", "--inputs", "200", "--seed", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "slurm: 200 inputs of seed 0, 0 failed\n"


def test_what_fails_is_said_with_the_command_that_repeats_it(tmp_path: Path) -> None:
    program = (
        "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); import fuzzing.pictures as it\n"
        "def fuzz_one(rng, folder):\n"
        "    assert rng.random() > 0.5, 'two\\nlines'\n"
        "it.fuzz_one = fuzz_one\n"
        "sys.argv[0] = 'fuzz'; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    )
    command = [sys.executable, "-c", program, str(FUZZ.parent), str(FUZZ), "pictures"]

    def fuzz(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)

    first = fuzz("--inputs", "12", "--seed", "3")
    assert first.returncode == 1
    *failures, last = first.stdout.splitlines()
    assert last == f"pictures: 12 inputs of seed 3, {len(failures)} failed"
    number = failures[0].split(":")[0].removeprefix("input ")
    repeat = f"repeat it with: tools/fuzz pictures --seed 3 --only {number}"
    assert failures[0] == f"input {number}: AssertionError: two lines; {repeat}"
    again = fuzz("--seed", "3", "--only", number)
    assert again.returncode == 1
    assert failures[0] in again.stdout
    assert "Traceback" in again.stderr


@pytest.mark.parametrize("target", ["nothing", ""])
def test_a_target_that_is_not_known_is_refused(target: str) -> None:
    done = run(target)
    assert done.returncode == 2
    assert "invalid choice" in done.stderr
