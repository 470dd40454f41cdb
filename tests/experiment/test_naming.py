from collections.abc import Callable

import pytest

from emtnas_hpc.data.registry import REGISTRY
from emtnas_hpc.errors import InputError
from emtnas_hpc.experiment import Experiment, rename, run_name

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
    ],
)
def test_a_run_is_named_after_what_was_changed(
    name_of: Callable[..., str], overrides: list[str], name: str
) -> None:
    assert name_of(*overrides) == name


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
