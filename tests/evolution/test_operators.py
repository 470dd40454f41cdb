from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chisquare

from emtnas_hpc.evolution import mating
from emtnas_hpc.evolution.mating import (
    bit_mutation,
    block_crossover,
    other_mutation,
    step_mutation,
)
from emtnas_hpc.space.architecture import GENE_RANGES, N_GENES, check_chromosome

pytestmark = pytest.mark.slow

CHROMOSOMES = st.tuples(*(st.integers(0, n - 1) for n in GENE_RANGES))
SEEDS = st.integers(0, 2**32 - 1)
MUTATIONS = [bit_mutation, other_mutation, step_mutation]


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def blocks(chromosome: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [chromosome[i : i + 4] for i in range(0, N_GENES, 4)]


@given(CHROMOSOMES, CHROMOSOMES, SEEDS)
def test_crossover_swaps_whole_blocks_only(a, b, seed: int) -> None:
    children = block_crossover(a, b, generator(seed))
    pairs = zip(*map(blocks, (*children, a, b)), strict=True)
    assert all((c, d) in ((x, y), (y, x)) for c, d, x, y in pairs)


def test_a_block_is_swapped_half_of_the_time() -> None:
    rng = generator()
    a, b = (0,) * N_GENES, (1,) * N_GENES
    swaps = np.array([block_crossover(a, b, rng)[0][::4] for _ in range(1000)])
    assert swaps.shape == (1000, 10)
    assert all(binomtest(int(n), 1000, 0.5).pvalue > 1e-3 for n in swaps.sum(axis=0))


@pytest.mark.parametrize("mutate", MUTATIONS)
@given(chromosome=CHROMOSOMES, rate=st.floats(0, 1), seed=SEEDS)
def test_a_mutated_chromosome_is_valid(mutate: Callable, chromosome, rate, seed) -> None:
    mutant = mutate(chromosome, rate, generator(seed))
    assert check_chromosome(mutant) == mutant
    assert all(type(gene) is int for gene in mutant)


@pytest.mark.parametrize("mutate", MUTATIONS)
@given(chromosome=CHROMOSOMES, seed=SEEDS)
def test_a_rate_of_zero_mutates_nothing(mutate: Callable, chromosome, seed: int) -> None:
    assert mutate(chromosome, 0.0, generator(seed)) == chromosome


@given(CHROMOSOMES, SEEDS)
def test_a_step_moves_every_gene_by_one_around_its_candidates(chromosome, seed: int) -> None:
    mutant = step_mutation(chromosome, 1.0, generator(seed))
    for gene, moved, n in zip(chromosome, mutant, GENE_RANGES, strict=True):
        assert moved in ((gene + 1) % n, (gene - 1) % n)


def test_steps_go_up_as_often_as_down() -> None:
    rng = generator()
    start = tuple(n // 2 for n in GENE_RANGES)
    mutants = (step_mutation(start, 1.0, rng) for _ in range(100))
    ups = sum(mutant[i] > start[i] for mutant in mutants for i in range(N_GENES) if i % 4 > 1)
    assert binomtest(ups, 2000, 0.5).pvalue > 1e-3


def test_a_gene_is_mutated_at_the_rate() -> None:
    rng = generator()
    start = (0,) * N_GENES
    n = 5000
    hits = sum(gene != 0 for _ in range(n) for gene in step_mutation(start, 0.02, rng))
    assert binomtest(hits, n * N_GENES, 0.02).pvalue > 1e-3


def test_a_redraw_is_uniform_over_all_candidates_the_present_one_included() -> None:
    rng = generator()
    start = (0,) * N_GENES
    mutants = np.array([bit_mutation(start, 1.0, rng) for _ in range(2000)])
    for position, n in enumerate(GENE_RANGES):
        counts = np.bincount(mutants[:, position], minlength=n)
        assert len(counts) == n
        assert all(binomtest(int(count), 2000, 1 / n).pvalue > 1e-5 for count in counts)


@given(CHROMOSOMES, SEEDS)
def test_another_value_is_never_the_present_one(chromosome, seed: int) -> None:
    mutant = other_mutation(chromosome, 1.0, generator(seed))
    assert all(gene != other for gene, other in zip(chromosome, mutant, strict=True))


@pytest.mark.parametrize("start", [0, 1], ids=["first", "second"])
def test_another_value_is_uniform_over_all_others(start: int) -> None:
    rng = generator(start)
    mutants = np.array([other_mutation((start,) * N_GENES, 1.0, rng) for _ in range(2000)])
    for position, n in enumerate(GENE_RANGES):
        counts = np.bincount(mutants[:, position], minlength=n)
        assert (len(counts), counts[start]) == (n, 0)
        assert n == 2 or chisquare(np.delete(counts, start)).pvalue > 1e-5


def test_a_gene_of_one_candidate_has_no_other_value(monkeypatch: pytest.MonkeyPatch) -> None:
    ranges = np.array([1, 2] * (N_GENES // 2))
    monkeypatch.setattr(mating, "GENE_RANGES", ranges)
    assert other_mutation((0,) * N_GENES, 1.0, generator()) == (0, 1) * (N_GENES // 2)
