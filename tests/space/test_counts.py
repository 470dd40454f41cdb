from statistics import fmean

import numpy as np
import pytest

from emtnas_hpc.space.architecture import NetworkShape, decode, random_chromosome
from emtnas_hpc.space.counts import count_macs, count_parameters

SEP_3X3, DIL_5X5, IDENTITY, MAX_3X3 = 0, 5, 6, 7


def chain(op_a: int, op_b: int, second_input: int = 0):
    """Five blocks in a row, one output slice; branch b always reads the same cell input."""
    cell = [gene for i in range(5) for gene in (i + 1 if i else 0, second_input, op_a, op_b)]
    return decode(tuple(cell * 2))


@pytest.fixture(scope="module")
def random_architectures():
    rng = np.random.Generator(np.random.PCG64(0))
    return [decode(random_chromosome(rng)) for _ in range(500)]


def test_a_network_of_identities_has_only_its_frame() -> None:
    shape = NetworkShape(channels=4, n_normal=1, image_channels=3, image_size=8, n_classes=10)
    stem = 9 * 3 * 4 + 2 * 4
    outputs = (16 + 8) + (64 + 16) + (64 + 16) + (256 + 32) + (256 + 32)
    projections = 2 * (4 * 8 + 16) + 2 * (8 * 16 + 32)
    linear = 16 * 10 + 10
    assert count_parameters(chain(IDENTITY, MAX_3X3), shape) == (
        stem + outputs + projections + linear
    )


def test_the_frame_costs_its_convolutions_and_its_classifier() -> None:
    shape = NetworkShape(channels=4, n_normal=1, image_channels=1, image_size=7, n_classes=3)
    stem = 9 * 1 * 4 * 49
    outputs = 16 * 49 + (64 + 64) * 9 + (256 + 256) * 1
    projections = 2 * 4 * 8 * 9 + 2 * 8 * 16 * 1
    assert count_macs(chain(IDENTITY, MAX_3X3), shape) == stem + outputs + projections + 16 * 3


def test_a_strided_stem_costs_three_convolutions_and_cells_an_eighth_of_the_edge() -> None:
    shape = NetworkShape(4, 1, image_channels=3, image_size=60, n_classes=3, stem="strided")
    weights = (9 * 3 * 2, 9 * 2 * 4, 9 * 4 * 4)
    network = chain(IDENTITY, MAX_3X3)
    plain = NetworkShape(4, 1, image_channels=3, image_size=8, n_classes=3)
    without_stem = count_parameters(network, plain) - (9 * 3 * 4 + 8)
    assert count_parameters(network, shape) == without_stem + sum(weights) + 2 * (2 + 4 + 4)
    macs = sum(w * size**2 for w, size in zip(weights, (30, 15, 8), strict=True))
    assert count_macs(network, shape) == count_macs(network, plain) - 9 * 3 * 4 * 64 + macs


def test_a_separable_convolution_has_two_batch_norms_and_a_dilated_one_has_one() -> None:
    shape = NetworkShape(channels=2, n_normal=1, image_channels=1, image_size=8, n_classes=2)
    widths = (2, 4, 4, 8, 8)
    plain = count_parameters(chain(IDENTITY, IDENTITY), shape)
    separable = count_parameters(chain(SEP_3X3, IDENTITY), shape)
    dilated = count_parameters(chain(DIL_5X5, IDENTITY), shape)
    assert separable - plain == sum(5 * (9 * c + 2 * c + c * c + 2 * c) for c in widths)
    assert dilated - plain == sum(5 * (25 * c + c * c + 2 * c) for c in widths)


def test_an_operation_on_both_branches_is_one_copy_that_runs_twice() -> None:
    shape = NetworkShape(channels=2, n_normal=0, image_channels=1, image_size=4, n_classes=2)
    genes = [0, 0, IDENTITY, IDENTITY] * 10
    once, twice = list(genes), list(genes)
    once[2] = twice[2] = twice[3] = SEP_3X3
    plain, once, twice = (decode(tuple(genes)) for genes in (genes, once, twice))
    assert count_parameters(once, shape) == count_parameters(twice, shape)
    runs = [count_macs(a, shape) - count_macs(plain, shape) for a in (once, twice)]
    assert runs[1] == 2 * runs[0] > 0


def test_all_slices_add_one_square_for_every_consumed_block() -> None:
    shape = NetworkShape(channels=4, n_normal=1, image_channels=3, image_size=8, n_classes=10)
    architecture = chain(IDENTITY, IDENTITY)
    unused = 4 * (4**2 + 8**2 + 8**2 + 16**2 + 16**2)
    in_use = count_parameters(architecture, shape, slices="in_use")
    assert count_parameters(architecture, shape, slices="all") - in_use == unused


def test_a_projection_counts_though_the_cell_ignores_it() -> None:
    shape = NetworkShape(channels=4, n_normal=1, image_channels=3, image_size=8, n_classes=10)
    ignoring, reading = chain(IDENTITY, IDENTITY), chain(IDENTITY, IDENTITY, second_input=1)
    assert not ignoring.reduction.uses(1)
    assert count_parameters(ignoring, shape) == count_parameters(reading, shape)
    assert count_macs(ignoring, shape) == count_macs(reading, shape)


@pytest.mark.parametrize(
    ("n_normal", "slices", "million"),
    [(2, "all", 1.85), (3, "all", 2.46), (2, "in_use", 1.49), (3, "in_use", 1.97)],
)
def test_random_individuals_at_48_channels_are_as_large_as_the_paper_says(
    random_architectures, n_normal, slices, million
) -> None:
    shape = NetworkShape(48, n_normal, image_channels=3, image_size=32, n_classes=10)
    mean = fmean(count_parameters(a, shape, slices) for a in random_architectures)
    assert round(mean / 1e6, 2) == million


@pytest.mark.parametrize(("n_normal", "million"), [(2, 2.07), (3, 2.68)])
def test_an_individual_is_as_much_larger_on_imagenet_than_on_cifar10_as_in_the_paper(
    random_architectures, n_normal, million
) -> None:
    """There EMT-NAS-C-10 has 2.38 million parameters against 2.17."""
    cifar10 = NetworkShape(48, n_normal, 3, image_size=32, n_classes=10)
    shape = NetworkShape(48, n_normal, 3, image_size=224, n_classes=1000, stem="strided")
    mean, before = (
        fmean(count_parameters(a, frame, "all") for a in random_architectures)
        for frame in (shape, cifar10)
    )
    assert round(mean / 1e6, 2) == million
    assert (mean - before) / 1e6 == pytest.approx(0.21, abs=0.015)


def test_random_individuals_of_the_cifar_search_cost_27_million_macs(random_architectures) -> None:
    shape = NetworkShape(20, 1, image_channels=3, image_size=32, n_classes=10)
    mean = fmean(count_macs(a, shape) for a in random_architectures)
    assert round(mean / 1e6) == 27
