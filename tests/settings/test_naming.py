import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.errors import InputError
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.names import _legible, recipe_label, rename, run_name

pytestmark = pytest.mark.slow

Load = Callable[..., Experiment]


@pytest.fixture
def name_of(load: Load) -> Callable[..., str]:
    """The name of a run of `cifar` with these overrides."""

    def name_of(*overrides: str) -> str:
        return run_name(load("cifar"), load("cifar", *overrides), REGISTRY)

    return name_of


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        ([], "cifar"),
        (["search.rmp=0.1"], "cifar+rmp=0.1"),
        (["search.rmp=0.3"], "cifar"),
        (["run.commit_interval_s=0"], "cifar"),
        (["threads=2", "search.rmp=0.1"], "cifar+rmp=0.1+threads=2"),
        (["search.reevaluate=false"], "cifar+reevaluate=false"),
        (["training.batch_size=64"], "cifar+training.batch_size=64"),
        (["evaluation.batch_size=64"], "cifar+evaluation.batch_size=64"),
        (["evaluation.chunk_size=64"], "cifar"),
        (["precision=fp32"], "cifar+precision=fp32"),
        (["precision=tf32"], "cifar"),
        (["task.cifar10.flip=false"], "cifar+cifar10.flip=false"),
        (['tasks=["digits"]'], "cifar+tasks=digits"),
        (['tasks=["cifar10", "digits"]'], "cifar+tasks=cifar10,digits"),
        (['tasks=["digits"]', "task.digits.padding=0"], "cifar+digits.padding=0+tasks=digits"),
        (["task.cifar10.mean=[0.5, 0.5, 0.5]"], "cifar+cifar10.mean=0.5,0.5,0.5"),
        (["task.cifar10.source=npz:/my data/c 10.npz"], "cifar+cifar10.source=c-10.npz"),
        (
            ['tasks=["mine"]', "task.mine.source=images:photos/cats/"],
            "cifar+mine.source=cats+tasks=mine",
        ),
        (["name=other", "search.rmp=0.1"], "other+rmp=0.1"),
        (["training.batches=10"], "cifar+batches=10"),
        (["training.batches=epoch"], "cifar"),
        (["evaluation.batch_norm=running"], "cifar+batch_norm=running"),
        (["search.mutation=step", "search.generations=2"], "cifar+generations=2+mutation=step"),
        (["task.cifar10.mean=[-0.5]"], "cifar+cifar10.mean=-0.5"),
        (["task.cifar10.mean=[0.5]"], "cifar+cifar10.mean=0.5"),
        (["task.cifar10.validation_split=first"], "cifar+cifar10.validation_split=first"),
        (["task.cifar10.validation_split=last"], "cifar"),
    ],
)
def test_a_run_is_named_after_what_was_changed(
    name_of: Callable[..., str], overrides: list[str], name: str
) -> None:
    assert name_of(*overrides) == name


def test_a_default_that_is_put_over_a_presets_value_is_in_the_name(load: Load) -> None:
    """A default is left out of settings that are written, and is a change all the same."""
    authors = load("cifar-authors")
    changed = load("cifar-authors", "task.cifar100.validation_split=last")
    assert run_name(authors, authors, REGISTRY) == "cifar-authors"
    assert run_name(authors, changed, REGISTRY) == "cifar-authors+cifar100.validation_split=last"
    one = load("cifar-authors", 'tasks=["cifar10"]')
    assert run_name(authors, one, REGISTRY) == "cifar-authors+tasks=cifar10"
    random = load("cifar-random")
    evolved = load("cifar-random", "search.strategy=evolution")
    assert run_name(random, evolved, REGISTRY) == "cifar-random+strategy=evolution"


def test_a_long_name_is_cut_and_keeps_apart_what_differs_behind_the_cut(
    name_of: Callable[..., str],
) -> None:
    many = [f"task.cifar100.std=[{'0.123456789012345, ' * 8}{last}]" for last in (1.0, 2.0)]
    first, second = (name_of(override) for override in many)
    assert first != second
    assert first[:120] == second[:120]
    assert len(first) == len(second) == 129


def test_the_name_of_a_run_is_always_one_of_a_folder(
    load: Load, name_of: Callable[..., str]
) -> None:
    name = name_of("task.cifar10.source=npz:/ä/ö ü.npz")
    assert rename(load("cifar"), name).name == name == "cifar+cifar10.source=-.npz"


@pytest.mark.parametrize("name", ["a/b", "", "..", "-x", "a b", "x" * 201, "a\n"])
def test_a_name_that_is_none_for_a_folder_is_refused(load: Load, name: str) -> None:
    with pytest.raises(InputError, match=r"^--name is .*, expected at most 200 letters, digits"):
        rename(load("cifar"), name)


@pytest.mark.parametrize(
    ("overrides", "label"),
    [
        ([], "long"),
        (["epochs=10"], "long+epochs=10"),
        (["channels=36", "epochs=100"], "long+channels=36+epochs=100"),
        (["recipe='quick'"], "quick"),
        (["recipe='quick'", "channels=2", "epochs=1"], "quick+channels=2+epochs=1"),
        (["recipe='small'", "learning_rate=0.1"], "small+learning_rate=0.1"),
        (["learning_rate=1e-05"], "long+learning_rate=1e-05"),
        (["weight_decay=0.0005"], "long+weight_decay=0.0005"),
        (["nesterov=false"], "long+nesterov=false"),
        (["cutout=0", "drop_path=0.0"], "long+drop_path=0.0+cutout=0"),
        (["momentum=0.85", "batch_size=96"], "long+batch_size=96+momentum=0.85"),
        (["learning_rate=1e30"], "long+learning_rate=1e30"),
        (["learning_rate=1e-30"], "long+learning_rate=1e-30"),
    ],
)
def test_a_retraining_is_named_after_what_was_changed_in_its_recipe(
    load: Load, overrides: list[str], label: str
) -> None:
    settings = load("cifar", *(f"retraining.{each}" for each in overrides)).retraining
    assert recipe_label(settings) == label


ITEMS = st.one_of(
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["1e30", "0.1", "true", "a/b", "a,b", "", "nothing", "a" * 64]),
)


@given(st.one_of(st.tuples(ITEMS, ITEMS), st.tuples(st.lists(ITEMS), st.lists(ITEMS))))
@example((1e30, 1e-30))
@example(([0.5], [-0.5]))
@example((True, "true"))
@example((0.1, "0.1"))
@example((["a", "b"], ["a,b"]))
@example((["a/b"], ["a b"]))
@example(([], [""]))
def test_two_values_of_a_setting_are_never_alike(pair: tuple[Any, Any]) -> None:
    names = [_legible("x", value) for value in pair]
    assert all(re.fullmatch(r"[A-Za-z0-9_.=,-]*", name) for name in names)
    assert (names[0] == names[1]) == (json.dumps(pair[0]) == json.dumps(pair[1]))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=3))
def test_numbers_say_what_they_are(values: list[float]) -> None:
    assert [float(part) for part in _legible("x", values).split(",")] == values
