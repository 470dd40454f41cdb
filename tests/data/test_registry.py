import subprocess
import sys

import numpy as np
import pytest

from emtnas_hpc.data.sources import REGISTRY, parse_source


def test_every_2d_medmnist_set_that_the_package_knows_is_a_task() -> None:
    from medmnist import INFO

    flat = {name for name in INFO if not name.endswith("3d")}
    ours = {name for name, task in REGISTRY.items() if task.source.startswith("medmnist:")}
    assert ours == flat
    for name in ours:
        assert REGISTRY[name].source == f"medmnist:{INFO[name]['python_class']}"


def test_every_source_of_the_registry_is_understood() -> None:
    for task in REGISTRY.values():
        assert parse_source(task).text == task.source


def test_the_names_of_data_sets_are_known_without_any_library_of_images() -> None:
    program = (
        "import sys, emtnas_hpc.data.sources as sources; assert sources.REGISTRY; "
        "print({'numpy', 'PIL', 'torch', 'medmnist'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


def test_cifar_is_normalised_and_augmented_as_in_the_authors_code() -> None:
    for name in ("cifar10", "cifar100"):
        task = REGISTRY[name]
        assert (task.padding, task.flip) == (4, True)
        assert np.allclose(np.array(task.mean) * 255, (125.3, 123.0, 113.9))
        assert np.allclose(np.array(task.std) * 255, (63.0, 62.1, 66.7))


def test_only_images_whose_sides_mean_nothing_are_flipped() -> None:
    flipped = {name for name, task in REGISTRY.items() if task.flip}
    cifar = {"cifar10", "cifar100"}
    medical = {"pathmnist", "breastmnist", "bloodmnist", "dermamnist", "tissuemnist"}
    assert flipped == cifar | medical | {"imagenet"}


@pytest.mark.parametrize("name", ["organamnist", "pathmnist", "mnist5k", "digits"])
def test_other_images_are_padded_by_two_and_scaled_to_minus_one_to_one(name: str) -> None:
    task = REGISTRY[name]
    assert (task.padding, task.mean, task.std) == (2, (0.5,), (0.5,))


def test_imagenet_is_as_its_usual_recipes_have_it() -> None:
    task = REGISTRY["imagenet"]
    assert (task.source, task.image_size, task.stem) == ("imagenet:imagenet", 224, "strided")
    assert (task.mean, task.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
