import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from emtnas_hpc.evolution.mating import breed
from emtnas_hpc.evolution.population import NOBODY, Operator
from emtnas_hpc.settings.experiment import SearchSettings
from emtnas_hpc.space.architecture import check_chromosome


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


@pytest.fixture
def two_tasks(individual):
    return [individual(i, 0.1 + 0.05 * i, task=i // 3) for i in range(6)]


def families(brood, population):
    """Every child with its parents and its parent of record."""
    by_id = {i.id: i for i in population}
    for child in brood.offspring:
        ids = [id_ for id_ in (child.parent_a, child.parent_b) if id_ != NOBODY]
        yield child, [by_id[id_] for id_ in ids], by_id[child.parent_of_record]


def brood_of(population, settings, n: int = 200, seed: int = 0):
    tasks = sorted({i.skill_factor for i in population})
    shares = [n] * len(tasks)
    return breed(population, shares, settings, generator(seed), generation=2, first_id=100)


@given(
    seed=st.integers(0, 2**32 - 1),
    rmp=st.floats(0, 1),
    cp=st.floats(0, 1),
    mutation=st.sampled_from(["redraw", "other", "step"]),
    rule=st.sampled_from(["parent", "coin"]),
    wheel=st.sampled_from(["equal_tasks", "raw_fitness"]),
    shares=st.sampled_from([(4,), (1, 1), (3, 2), (3, 2, 2)]),
)
def test_any_settings_give_valid_offspring_in_the_right_number(
    individual, mating, seed, rmp, cp, mutation, rule, wheel, shares
) -> None:
    tasks = [task for task, share in enumerate(shares) for _ in range(share)]
    population = [individual(i, i / 10, task=task) for i, task in enumerate(tasks)]
    settings = mating(rmp, cp, 0.1, mutation, rule, wheel)
    brood = breed(population, shares, settings, generator(seed), generation=7, first_id=50)
    assert [i.id for i in brood.offspring] == list(range(50, 50 + sum(shares)))
    assert sorted(i.skill_factor for i in brood.offspring) == tasks
    assert brood.n_transfers <= brood.n_pairs >= len(brood.offspring) / 2
    for child, parents, record in families(brood, population):
        assert check_chromosome(child.chromosome) == child.chromosome
        assert child.generation == 7
        assert child.skill_factor == record.skill_factor
        assert child.parent_fitness == record.fitness
        assert len(parents) == (1 if child.operator is Operator.MUTATION else 2)
        mixed = len({p.skill_factor for p in parents}) == 2
        assert mixed == (child.operator is Operator.TRANSFER) or parents[0] is parents[-1]


def test_children_of_one_task_are_crossed_and_each_has_its_own_parent_of_record(
    individual, mating
) -> None:
    population = [individual(i) for i in range(4)]
    brood = brood_of(population, mating(mutation_probability=0))
    assert {i.operator for i in brood.offspring} == {Operator.CROSSOVER}
    for first, second in zip(brood.offspring[::2], brood.offspring[1::2], strict=True):
        assert first.parent_of_record == first.parent_a == second.parent_a
        assert second.parent_of_record == second.parent_b == first.parent_b


def test_an_individual_may_mate_with_itself(individual, mating) -> None:
    brood = brood_of([individual(0)], mating(mutation_probability=0), n=2)
    assert [(i.parent_a, i.parent_b) for i in brood.offspring] == [(0, 0), (0, 0)]


def single_mixed_pairs(individual, settings, n: int = 2000):
    """The two children of pairs of different tasks, whose skill factors are 0 and 1."""
    population = [individual(0, task=0), individual(1, task=1)]
    for seed in range(n):
        brood = breed(population, (1, 1), settings, generator(seed), generation=2, first_id=2)
        children = list(families(brood, population))
        # One pair gave both; pairs of one task give both children to that task.
        if brood.n_pairs == 1:
            yield children


def test_a_crossed_pair_of_two_tasks_hands_out_its_skill_factors_in_random_order(
    individual, mating
) -> None:
    pairs = list(single_mixed_pairs(individual, mating(rmp=1)))
    straight = 0
    for children in pairs:
        assert sorted(child.skill_factor for child, _parents, _record in children) == [0, 1]
        assert all(record in parents for _child, parents, record in children)
        child, parents, record = children[0]
        assert child.operator is Operator.TRANSFER
        straight += record is parents[0]
    assert len(pairs) > 800
    assert binomtest(straight, len(pairs), 0.5).pvalue > 1e-3


def test_a_child_that_only_mutates_keeps_its_parents_skill_factor(two_tasks, mating) -> None:
    brood = brood_of(two_tasks, mating(rmp=0))
    mutants = [f for f in families(brood, two_tasks) if f[0].operator is Operator.MUTATION]
    assert len(mutants) > 50
    assert all(parents == [record] for _child, parents, record in mutants)


def test_the_authors_coin_hands_out_the_skill_factors_of_mutants_in_random_order(
    individual, mating
) -> None:
    pairs = list(single_mixed_pairs(individual, mating(rmp=0, mutation_only_child="coin")))
    kept = 0
    for children in pairs:
        assert sorted(child.skill_factor for child, _parents, _record in children) == [0, 1]
        child, parents, record = children[0]
        assert child.operator is Operator.MUTATION
        kept += parents == [record]
    assert len(pairs) > 800
    assert binomtest(kept, len(pairs), 0.5).pvalue > 1e-3


def test_an_uncrossed_pair_is_two_mutants(two_tasks, mating) -> None:
    settings = mating(rmp=1, crossover_probability=0, mutation_probability=0)
    brood = brood_of(two_tasks, settings)
    assert brood.n_transfers == 0
    for child, parents, record in families(brood, two_tasks):
        assert child.operator is Operator.MUTATION
        assert parents == [record]
        assert child.chromosome == record.chromosome


def test_half_of_the_pairs_are_crossed_at_a_crossover_probability_of_one_half(
    individual, mating
) -> None:
    population = [individual(i) for i in range(4)]
    brood = brood_of(population, mating(crossover_probability=0.5), n=2000)
    crossed = sum(i.operator is Operator.CROSSOVER for i in brood.offspring[::2])
    assert binomtest(crossed, 1000, 0.5).pvalue > 1e-3


def test_a_dropped_child_gets_no_id(two_tasks, mating) -> None:
    brood = breed(two_tasks, (1, 30), mating(), generator(), generation=2, first_id=6)
    assert [i.id for i in brood.offspring] == list(range(6, 37))
    assert sum(i.skill_factor == 0 for i in brood.offspring) == 1


@pytest.mark.parametrize(("wheel", "share"), [("equal_tasks", 1 / 2), ("raw_fitness", 9 / 10)])
def test_parents_are_drawn_from_the_wheel_that_was_asked_for(
    individual, mating, wheel: str, share: float
) -> None:
    population = [individual(0, 0.9), individual(1, 0.1, task=1)]
    settings = mating(rmp=0, wheel=wheel)
    brood = brood_of(population, settings, n=1000)
    # Until the first task is full, which takes about so many pairs.
    n = round(1000 / (2 * share)) - 50
    tasks = [child.skill_factor for child in brood.offspring[: 2 * n]]
    assert binomtest(tasks.count(0), len(tasks), share).pvalue > 1e-3


@pytest.mark.parametrize("nothing", [0.0, float("nan"), 1e-300])
def test_breeding_by_raw_fitness_ends_where_a_task_has_next_to_none(
    individual, mating, nothing: float
) -> None:
    population = [individual(0, 0.9), individual(1, nothing, task=1)]
    brood = brood_of(population, mating(rmp=0, wheel="raw_fitness"), n=3)
    assert sorted(i.skill_factor for i in brood.offspring) == [0, 0, 0, 1, 1, 1]


def test_the_search_settings_of_an_experiment_are_mating_settings(two_tasks, mating) -> None:
    assert brood_of(two_tasks, SearchSettings()) == brood_of(two_tasks, mating())


def test_breeding_is_a_function_of_its_stream(two_tasks, mating) -> None:
    assert brood_of(two_tasks, mating(), seed=1) == brood_of(two_tasks, mating(), seed=1)
    assert brood_of(two_tasks, mating(), seed=1) != brood_of(two_tasks, mating(), seed=2)
