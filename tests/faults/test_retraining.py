"""Faults under a real retraining, as a user would meet them on the command line."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow

#: The search before it is left in peace. Three epochs of three parts each.
SHORT = ("search.generations=1", "search.population=2", "retraining.batch_size=128")

KillLoop = Callable[..., dict[str, Any]]


@pytest.mark.timeout(900)
def test_a_retraining_interrupted_in_every_phase_ends_in_the_bits_of_an_uninterrupted_one(
    kill_loop: KillLoop,
) -> None:
    case = ("--retraining", "--case", "K1-threads1-commit0", "--kills", "3")
    result = kill_loop(*case, settings=SHORT)
    assert sum(result["hits"].values()) == 6
    assert {hit for hit in result["hits"] if hit.startswith("SIGKILL")} == {
        *("SIGKILL in commit", "SIGKILL in training retraining", "SIGKILL in test retraining"),
    }


@pytest.mark.timeout(900)
def test_a_retraining_killed_at_any_moments_and_cut_inside_an_epoch_ends_in_the_same_bits(
    kill_loop: KillLoop,
) -> None:
    result = kill_loop("--moments", "2", settings=SHORT)
    assert result["hits"]["SIGKILL"] == 2
    assert result["cut_inside_epoch"] > 0
