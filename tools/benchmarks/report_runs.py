"""Run directories of the paper's scale, made by the tests' fake trainer at full length."""

import sys
from collections.abc import Sequence
from pathlib import Path

_TESTS = Path(__file__).parents[2] / "tests"
#: Bytes of a task's weights, and of a retrained network's: what the real ones take.
_WEIGHTS = 110_000_000

_COMBINATIONS = (
    *("organa-organc", "organa-organs", "organc-organs", "path-organa", "path-organc"),
    *("path-organs", "organa-organc-organs", "path-organa-organc", "path-organa-organs"),
    *("path-organc-organs", "path-organa-organc-organs"),
)
_BASELINES = ("path", "organa", "organc", "organs")
PRESETS = (
    *(f"medmnist-{name}" for name in _COMBINATIONS),
    *(f"medmnist-{name}-single" for name in _BASELINES),
)


def make_runs(runs: Path, generations: int, seeds: int, presets: Sequence[str]) -> list[Path]:
    """All combinations and baselines of Table 2, or some; each is retrained on each of its tasks.

    Weights are holes in files: they have their size and take no room.
    """
    sys.path[:0] = [str(_TESTS / "search"), str(_TESTS / "report")]
    from fake_runs import Retrained, make_run

    length = f"search.generations={generations}"
    return [
        make_run(
            runs, preset, length, seed=seed, retrained=Retrained((2,), epochs_in_all=600),
            weights=_WEIGHTS,
        )
        for preset in presets
        for seed in range(seeds)
    ]  # fmt: skip
