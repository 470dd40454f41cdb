"""How the package is written, held by numbers that may only fall; tools/measure shows them all."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from measuring.journeys import NEEDLESS_IN_STATUS, travel
from measuring.modules import House
from measuring.rules import RULES

ROOT = Path(__file__).parents[1]

#: Of each rule, how many places may break it. Mending one lowers the number.
LIMITS = {
    "class names that exist twice": 1,
    "import circles": 0,
    "files with one importer, below 150 lines": 5,
    "files above 450 lines": 0,
    "modules xing.py beside x.py": 0,
    "functions with more than 4 positional parameters": 2,
    "calls of ours with more than 4 positional arguments": 0,
    "functions that change a collection of their caller's": 13,
}
#: Of each command, how many modules of ours it may import, and how many files open twice.
MOST_IMPORTED = {"launch --dry-run": 69, "status": 36}
MOST_OPENED_AGAIN = {"launch --dry-run": 7, "status": 0}


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


@pytest.mark.slow
def test_commands_import_and_open_no_more_than_they_did() -> None:
    journeys = travel(ROOT)
    assert not any(journeys["status"].imports(name) for name in NEEDLESS_IN_STATUS)
    for name, journey in journeys.items():
        message = f"{name} imports {len(journey.ours)} modules of ours"
        assert len(journey.ours) <= MOST_IMPORTED[name], "\n".join([message, *journey.ours])
        again = journey.opened_again
        assert len(again) <= MOST_OPENED_AGAIN[name], "\n".join([f"{name} opens twice:", *again])
