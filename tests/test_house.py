"""How the package is written, held by numbers that may only fall; tools/measure shows them all."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from measuring.modules import House
from measuring.rules import RULES

ROOT = Path(__file__).parents[1]

#: Of each rule, how many places may break it. Whoever mends some lowers the number.
LIMITS = {
    "class names that exist twice": 19,
    "import circles": 0,
    "files with one importer, below 150 lines": 99,
    "files above 450 lines": 0,
    "modules xing.py beside x.py": 10,
    "functions with more than 4 positional parameters": 41,
    "calls of ours with more than 4 positional arguments": 119,
    "functions that are handed what is ambient": 72,
}


@pytest.fixture(scope="module")
def house() -> House:
    return House(ROOT)


def test_every_rule_has_a_limit() -> None:
    assert set(LIMITS) == set(RULES)


@pytest.mark.parametrize("rule", LIMITS)
def test_a_rule_is_broken_no_more_often_than_it_was(house: House, rule: str) -> None:
    offenders = RULES[rule](house)
    message = f"{rule}: {len(offenders)}, at most {LIMITS[rule]}"
    assert len(offenders) <= LIMITS[rule], "\n".join([message, *offenders])
