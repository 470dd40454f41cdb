"""Whole searches over a fake fitness: what holds over generations, and the rates to expect."""

import math

import pytest

from emtnas_hpc.evolution.individual import NOBODY, Individual, Operator
from emtnas_hpc.evolution.population import different_chromosomes, subpopulation


def everyone(history) -> dict[int, Individual]:
    born = [*history[0].parents, *(i for g in history for i in g.selection.offspring)]
    return {i.id: i for i in born}


def foreign_parents(child: Individual, people: dict[int, Individual]) -> list[Individual]:
    parents = [people[id_] for id_ in (child.parent_a, child.parent_b) if id_ != NOBODY]
    return [parent for parent in parents if parent.skill_factor != child.skill_factor]


@pytest.mark.parametrize("n_tasks", [2, 3])
def test_without_random_mating_nobody_has_a_parent_of_another_task(fake_search, n_tasks) -> None:
    history = fake_search(n_tasks=n_tasks, generations=60, rmp=0.0)
    people = everyone(history)
    assert not any(foreign_parents(child, people) for child in people.values())
    assert all(generation.brood.n_transfers == 0 for generation in history)


def test_the_authors_coin_transfers_even_without_random_mating(fake_search) -> None:
    history = fake_search(generations=30, rmp=0.0, mutation_only_child="coin")
    people = everyone(history)
    assert any(foreign_parents(child, people) for child in people.values())


def test_fifteen_percent_of_the_pairs_drawn_are_crossed_between_two_tasks(
    fake_search, binomial_p_value
) -> None:
    broods = [g.brood for seed in range(4) for g in fake_search(generations=100, seed=seed)]
    n_pairs = sum(brood.n_pairs for brood in broods)
    n_transfers = sum(brood.n_transfers for brood in broods)
    assert n_pairs > 4000
    assert binomial_p_value(n_transfers, n_pairs, 0.15) > 1e-3


def test_somewhat_more_children_have_a_foreign_parent(fake_search) -> None:
    # A task's last place goes to single children, which more often come from mixed pairs.
    people = [everyone(fake_search(generations=300, seed=seed)) for seed in range(4)]
    children = [(i, of) for of in people for i in of.values() if i.operator is not Operator.INITIAL]
    share = sum(bool(foreign_parents(i, of)) for i, of in children) / len(children)
    assert share == pytest.approx(0.154, abs=0.006)


def test_one_task_alone_needs_a_pair_for_every_two_children(fake_search) -> None:
    history = fake_search(n_tasks=1, generations=20)
    assert {generation.brood.n_pairs for generation in history} == {10}
    assert {i.operator for i in everyone(history).values()} == {
        Operator.INITIAL,
        Operator.CROSSOVER,
    }


@pytest.mark.parametrize("n_tasks", [1, 2, 3])
def test_a_task_keeps_its_share_for_good(fake_search, n_tasks) -> None:
    history = fake_search(n_tasks=n_tasks, generations=30)
    populations = [history[0].parents, *(g.selection.population for g in history)]
    shares = {
        tuple(len(subpopulation(population, task)) for task in range(n_tasks))
        for population in populations
    }
    assert len(shares) == 1


def test_a_population_holds_no_chromosome_twice_while_there_are_enough(fake_search) -> None:
    for generation in fake_search(generations=30):
        for task in (0, 1):
            survivors = subpopulation(generation.selection.population, task)
            pool = (*generation.parents, *generation.selection.offspring)
            n_different = len(different_chromosomes(subpopulation(pool, task)))
            assert len(different_chromosomes(survivors)) == min(n_different, len(survivors))


def test_a_search_that_starts_again_repeats_itself_and_another_seed_differs(fake_search) -> None:
    states = [fake_search(seed=seed)[-1].state for seed in (1, 1, 2)]
    assert states[0] == states[1]
    assert states[0] != states[2]


def test_five_generations_of_three_tasks_are_those_on_record(fake_search, check_golden) -> None:
    history = fake_search(n_tasks=3, population=7, generations=5, mutation_probability=0.1)
    text = "".join(map(describe, everyone(history).values()))
    for generation in history:
        survivors = " ".join(str(i.id) for i in generation.selection.population)
        pairs = f"{generation.brood.n_pairs} pairs, {generation.brood.n_transfers} transfers"
        text += f"{generation.state.generation}: {pairs}; {survivors}\n"
    check_golden("trajectory.txt", text)


def describe(i: Individual) -> str:
    genes = "".join(map(str, i.chromosome))
    lineage = f"{i.parent_a},{i.parent_b},{i.parent_of_record}"
    fitness = "" if math.isnan(i.parent_fitness) else f"{i.parent_fitness:.12f} "
    return (
        f"{i.id} generation {i.generation} task {i.skill_factor} {genes} {i.operator.name} "
        f"parents {lineage} fitness {fitness}{i.sampled_accuracy:.12f} {i.fitness:.12f} "
        f"clone {i.clone_of}\n"
    )
