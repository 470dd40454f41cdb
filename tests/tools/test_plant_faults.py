"""tools/plant-faults plants what it says, and tells what goes unnoticed from what is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

from planting.checkout import LostError, are_noticed, copy_checkout, find, pass_
from planting.faults import FAULTS, Fault

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools/plant-faults"

DOUBLED = Fault("a number is doubled", "return number", "return 2 * number", ("test_it_stays",))


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, TOOL, *arguments], capture_output=True, text=True, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """With one function and tests of it, of which one looks at nothing."""
    root = tmp_path / "checkout"
    for name, text in {
        "emtnas_hpc/__init__.py": "",
        "emtnas_hpc/deep/same.py": "def same(number):\n    return number\n",
        "tests/test_same.py": (
            "from emtnas_hpc.deep.same import same\n\n"
            "def test_it_stays():\n    assert same(1) == 1\n\n"
            "def test_nothing():\n    assert same\n\n"
            "def test_nothing_but_two():\n    assert same(2) == 2\n"
        ),
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture
def copy(checkout: Path, tmp_path: Path) -> Path:
    copy_checkout(checkout, tmp_path / "copy")
    return tmp_path / "copy"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_can_be_planted_and_leaves_code_that_python_reads(fault: Fault) -> None:
    place = find(ROOT, fault)
    compile(place.planted, str(place), "exec")
    assert place.planted != (ROOT / place.file).read_text(encoding="utf-8")


def test_no_two_faults_have_one_name() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_a_fault_is_noticed_and_taken_out_again(checkout: Path, copy: Path) -> None:
    place = find(checkout, DOUBLED)
    assert str(place) == "emtnas_hpc/deep/same.py:2"
    assert are_noticed(copy, DOUBLED, place)
    assert pass_(copy, place.tests)


def test_a_fault_that_no_test_looks_at_goes_unnoticed(checkout: Path, copy: Path) -> None:
    overlooked = Fault("overlooked", "return number", "return 0", ("test_nothing",))
    assert not are_noticed(copy, overlooked, find(checkout, overlooked))


@pytest.mark.parametrize(
    ("snippet", "test", "message"),
    [
        ("return nothing", "test_it_stays", "'return nothing' is nowhere in emtnas_hpc"),
        ("number", "test_it_stays", "'number' is 2 times (emtnas_hpc/deep/same.py, "),
        ("return number", "test_gone", "0 files of tests define test_gone, expected one"),
    ],
)
def test_what_cannot_be_planted_is_told_in_a_line(
    checkout: Path, snippet: str, test: str, message: str
) -> None:
    with pytest.raises(LostError) as error:
        find(checkout, Fault("it", snippet, "0", (test,)))
    assert str(error.value).startswith(f"it: {message}")
    assert "\n" not in str(error.value)


def test_a_fault_that_keeps_tests_from_being_run_is_lost(checkout: Path, copy: Path) -> None:
    broken = Fault("broken", "def same(number):", "def other(number):", ("test_it_stays",))
    with pytest.raises(LostError, match="broken: pytest ended with 4"):
        are_noticed(copy, broken, find(checkout, broken))


def test_tests_that_end_too_late_say_nothing_about_a_fault(
    checkout: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("planting.checkout.MOST_S", 0.01)
    with pytest.raises(LostError, match=r"a number is doubled: the tests took over 0\.01 s"):
        are_noticed(copy, DOUBLED, find(checkout, DOUBLED))


def test_faults_are_planted_by_name() -> None:
    done = run("--only", "re-evaluation leads away from the accuracy")
    assert done.returncode == 0, done.stdout + done.stderr
    first, last = done.stdout.splitlines()
    assert first.startswith("noticed ")
    assert last == "1 fault, 0 unnoticed"


def test_faults_are_listed_with_their_places() -> None:
    done = run("--list")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(FAULTS)


def test_a_name_that_no_fault_has_is_refused() -> None:
    done = run("--only", "nothing")
    assert done.returncode == 2
    assert done.stderr == "no fault is called 'nothing'; --list names them\n"
