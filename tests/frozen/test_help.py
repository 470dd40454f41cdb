"""The command line as it explains itself, on 100 columns."""

from collections.abc import Callable

import pytest
from command_line import run_here
from verbs import VERBS

Check = Callable[[str, str], None]
pytestmark = pytest.mark.usefixtures("surroundings")


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_is_the_one_on_record(check_golden: Check, verb: str) -> None:
    check_golden(f"help/{verb}.txt", _help(verb))


def test_the_help_of_the_program_is_the_one_on_record(check_golden: Check) -> None:
    check_golden("help/emtnas-hpc.txt", _help())


def _help(*verb: str) -> str:
    result = run_here(*verb, "--help")
    assert (result.code, result.err) == (0, "")
    return "".join(f"{line.rstrip()}\n" for line in result.out.splitlines())
