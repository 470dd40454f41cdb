"""Random search in the place of evolution: a setting that came later."""

from collections.abc import Callable

import pytest

from emtnas_hpc.settings.experiment import Experiment, difference, flatten, identify
from emtnas_hpc.settings.names import StoredExperiment, dump_stored, parse_stored
from emtnas_hpc.settings.presets import preset_names

Load = Callable[..., Experiment]

DATA = {"cifar10": "a" * 64, "cifar100": "b" * 64}
RANDOM = ("search.strategy=random", "search.reevaluate=false")
PRESETS = [name for name in preset_names() if name.endswith("-random")]


def test_evolution_is_no_part_of_a_signature_and_random_search_is(load: Load) -> None:
    evolution = identify(load("cifar", "search.strategy=evolution"), 0, DATA)
    assert evolution == identify(load("cifar"), 0, DATA)
    assert "search.strategy" not in evolution.values
    plain, random = (
        identify(load("cifar", *settings), 0, DATA) for settings in (RANDOM[1:], RANDOM)
    )
    assert random.values == {**plain.values, "search.strategy": "random"}
    assert random.signature != plain.signature
    assert difference(plain.values, random.values) == (
        "search.strategy is evolution there, random here"
    )


def test_what_is_stored_of_evolution_says_nothing_of_it_and_random_search_comes_back(
    load: Load,
) -> None:
    evolution, random = load("cifar"), load("cifar", *RANDOM)
    texts = [dump_stored(StoredExperiment(each, 0, DATA, {})) for each in (evolution, random)]
    assert ["strategy" in text for text in texts] == [False, True]
    assert [parse_stored(text, "a file").experiment for text in texts] == [evolution, random]


def test_reevaluation_without_parents_is_refused(complaint: Callable[..., str]) -> None:
    assert complaint("cifar", "search.strategy=random") == (
        "search.reevaluate is true, expected false where search.strategy is 'random': there is no "
        "parent whose fitness a child's could be damped toward"
    )


def test_another_strategy_is_refused(complaint: Callable[..., str]) -> None:
    assert complaint("cifar", "search.strategy=grid") == (
        "search.strategy is 'grid', expected 'evolution' or 'random'"
    )


@pytest.mark.parametrize("name", PRESETS)
def test_a_random_preset_differs_from_its_search_in_nothing_else(load: Load, name: str) -> None:
    random, evolution = flatten(load(name)), flatten(load(name.removesuffix("-random")))
    asked = {"name": name, "search.strategy": "random", "search.reevaluate": False}
    assert evolution | asked == random


def test_the_searches_of_the_paper_and_the_small_ones_have_a_random_preset() -> None:
    four = "medmnist-path-organa-organc-organs"
    together = ("cifar", four, "small-breast-pneumonia", "small-cifar")
    assert [f"{name}-random" for name in together] == PRESETS
