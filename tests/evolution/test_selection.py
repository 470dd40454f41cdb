from math import isfinite

from hypothesis import given
from hypothesis import strategies as st

from emtnas_hpc.evolution.selection import fittest, select

NAN = float("nan")


def ids(individuals) -> list[int]:
    return [i.id for i in individuals]


def test_the_best_of_parents_and_offspring_survive_the_fittest_first(individual) -> None:
    parents = [individual(0, 0.3), individual(1, 0.8)]
    offspring = [individual(2, 0.9), individual(3, 0.1)]
    assert ids(select(parents, offspring, (2,)).population) == [2, 1]


def test_every_task_keeps_its_share_however_fit_the_others_are(individual) -> None:
    parents = [individual(0, 0.9), individual(1, 0.8), individual(2, 0.1, task=1)]
    offspring = [individual(3, 0.7), individual(4, 0.95), individual(5, 0.2, task=1)]
    assert ids(select(parents, offspring, (2, 1)).population) == [4, 0, 5]


def test_ties_go_to_the_younger(individual) -> None:
    parents = [individual(0, 0.5), individual(1, 0.5)]
    offspring = [individual(2, 0.5), individual(3, 0.5)]
    assert ids(select(parents, offspring, (2,)).population) == [3, 2]


def test_of_equal_chromosomes_the_youngest_stands_with_its_own_fitness(individual) -> None:
    parents = [individual(0, 0.9, genes=0), individual(1, 0.5)]
    offspring = [individual(2, 0.4, genes=0), individual(3, 0.45)]
    selection = select(parents, offspring, (2,))
    assert ids(selection.population) == [1, 3]
    assert [i.clone_of for i in selection.offspring] == [0, -1]


def test_of_equal_chromosomes_the_fittest_stands_where_that_is_asked_for(individual) -> None:
    parents = [individual(0, 0.9, genes=0), individual(1, 0.5)]
    offspring = [individual(2, 0.4, genes=0), individual(3, 0.45)]
    selection = select(parents, offspring, (2,), "fittest")
    assert ids(selection.population) == [0, 1]
    assert [i.clone_of for i in selection.offspring] == [0, -1]
    better = [individual(2, 0.95, genes=0), individual(3, 0.45)]
    assert ids(select(parents, better, (2,), "fittest").population) == [2, 1]


def test_of_equal_chromosomes_with_equal_fitness_the_younger_stands(individual) -> None:
    parents, offspring = [individual(0, 0.9, genes=0)], [individual(1, 0.9, genes=0)]
    assert ids(select(parents, offspring, (1,), "fittest").population) == [1]


def test_a_clone_without_a_finite_fitness_is_never_the_fittest(individual) -> None:
    parents = [individual(0, 0.3, genes=0), individual(1, 0.1)]
    offspring = [individual(2, NAN, genes=0), individual(3, NAN)]
    assert ids(select(parents, offspring, (2,), "fittest").population) == [0, 1]


def test_clones_fill_a_share_whichever_of_them_stands(individual) -> None:
    parents = [individual(0, 0.9, genes=0), individual(1, 0.8, genes=1)]
    offspring = [individual(2, 0.1, genes=0), individual(3, 0.2, genes=0)]
    assert ids(select(parents, offspring, (3,), "fittest").population) == [0, 1, 3]


def test_a_surviving_clone_knows_whom_it_replaced(individual) -> None:
    parents = [individual(0, 0.5, genes=0), individual(1, 0.1)]
    offspring = [individual(2, 0.6, genes=0), individual(3, 0.2)]
    assert [(i.id, i.clone_of) for i in select(parents, offspring, (2,)).population] == [
        (2, 0),
        (3, -1),
    ]


def test_clones_of_each_other_name_the_next_older_one(individual) -> None:
    parents = [individual(0, genes=0)]
    offspring = [individual(1, genes=0), individual(2), individual(3, genes=0)]
    assert [i.clone_of for i in select(parents, offspring, (1,)).offspring] == [0, -1, 1]


def test_a_clone_of_two_parents_names_the_younger_wherever_it_stands(individual) -> None:
    parents = [individual(4, 0.9, genes=0), individual(1, 0.8, genes=0)]
    offspring = [individual(5, genes=0), individual(6)]
    assert [i.clone_of for i in select(parents, offspring, (2,)).offspring] == [4, -1]


def test_equal_chromosomes_of_two_tasks_are_no_clones(individual) -> None:
    parents = [individual(0, genes=0), individual(1, task=1, genes=0)]
    offspring = [individual(2, task=1, genes=1), individual(3, genes=1)]
    selection = select(parents, offspring, (1, 1))
    assert [i.clone_of for i in selection.offspring] == [-1, -1]
    assert ids(selection.population) == [3, 2]


def test_the_youngest_clones_fill_a_share_that_too_few_chromosomes_leave(individual) -> None:
    parents = [
        individual(0, 0.9, genes=0),
        individual(1, 0.8, genes=1),
        individual(2, 0.7, genes=0),
    ]
    offspring = [individual(i, 0.1, genes=0) for i in (3, 4, 5)]
    assert ids(select(parents, offspring, (3,)).population) == [1, 5, 4]


def test_fitness_that_is_not_finite_never_beats_one_that_is(individual) -> None:
    parents = [individual(0, 0.0), individual(1, 0.1)]
    offspring = [individual(2, NAN), individual(3, float("inf"))]
    assert ids(select(parents, offspring, (2,)).population) == [1, 0]


def test_a_clone_without_a_finite_fitness_does_not_replace_one_that_has_it(individual) -> None:
    parents = [individual(0, 0.3, genes=0), individual(1, 0.1)]
    offspring = [individual(2, NAN, genes=0), individual(3, NAN)]
    assert ids(select(parents, offspring, (2,)).population) == [0, 1]


def test_a_task_without_any_finite_fitness_keeps_its_youngest(individual) -> None:
    parents = [individual(0, NAN), individual(1, NAN)]
    offspring = [individual(2, NAN), individual(3, NAN)]
    assert ids(select(parents, offspring, (2,)).population) == [3, 2]


def test_the_fittest_of_equals_is_the_youngest(individual) -> None:
    population = [individual(2, 0.5), individual(7, 0.5), individual(1, 0.4), individual(8, NAN)]
    assert fittest(population).id == 7


@given(
    genes=st.lists(st.integers(0, 1), min_size=10, max_size=10),
    fitness=st.lists(st.sampled_from([0.0, 0.25, 0.5, NAN]), min_size=10, max_size=10),
    n_tasks=st.integers(1, 2),
)
def test_whoever_leaves_has_a_younger_clone_or_was_less_fit(
    individual, genes, fitness, n_tasks
) -> None:
    pool = [
        individual(i, fitness[i], task=i % n_tasks, chromosome=(genes[i], i % 3) + (0,) * 38)
        for i in range(10)
    ]
    shares = [5] if n_tasks == 1 else [3, 2]
    survivors = select(pool[:5], pool[5:], shares).population
    assert sorted(i.skill_factor for i in survivors) == [0] * shares[0] + [1] * (5 - shares[0])
    assert len(set(ids(survivors))) == 5
    measured = [i for i in pool if isfinite(i.fitness)]
    for leaver in (i for i in measured if i.id not in ids(survivors)):
        same = [i for i in measured if i.skill_factor == leaver.skill_factor]
        if not any(i.chromosome == leaver.chromosome and i.id > leaver.id for i in same):
            rivals = [i for i in survivors if i.skill_factor == leaver.skill_factor]
            assert len({i.chromosome for i in rivals}) == len(rivals)
            assert all(i.fitness >= leaver.fitness for i in rivals)


@given(
    genes=st.lists(st.integers(0, 1), min_size=10, max_size=10),
    fitness=st.lists(st.sampled_from([0.0, 0.25, 0.5, NAN]), min_size=10, max_size=10),
)
def test_where_the_fittest_stands_nobody_leaves_for_a_worse_one(individual, genes, fitness) -> None:
    pool = [individual(i, fitness[i], chromosome=(genes[i], i % 3) + (0,) * 38) for i in range(10)]
    survivors = select(pool[:5], pool[5:], [3], "fittest").population
    for leaver in (i for i in pool if isfinite(i.fitness) and i.id not in ids(survivors)):
        same = [i for i in survivors if i.chromosome == leaver.chromosome]
        rivals = same or survivors
        assert all(i.fitness >= leaver.fitness for i in rivals[:1])
