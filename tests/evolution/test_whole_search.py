"""Whole searches over a fake fitness: what holds over generations, and the rates to expect."""

import math

import pytest
from fake import make_stage

from emtnas_hpc.evolution.population import (
    NOBODY,
    Individual,
    Operator,
    different_chromosomes,
    subpopulation,
)
from emtnas_hpc.search.history import History


def search(**settings: object) -> History:
    stage = make_stage(**settings)
    history = stage.start()
    for _generation in range(stage.n_steps):
        history = stage.advance(history, lambda: False)
    return history


def foreign_parents(child: Individual, history: History) -> list[Individual]:
    ids = [id_ for id_ in (child.parent_a, child.parent_b) if id_ != NOBODY]
    parents = [history.individuals[id_] for id_ in ids]
    return [parent for parent in parents if parent.skill_factor != child.skill_factor]


def test_the_authors_coin_transfers_even_without_random_mating() -> None:
    history = search(generations=30, rmp=0.0, mutation_only_child="coin")
    assert any(foreign_parents(child, history) for child in history.individuals)


@pytest.mark.slow
def test_somewhat_more_children_than_pairs_have_a_foreign_parent() -> None:
    # A task's last place goes to single children, which more often come from mixed pairs.
    histories = [search(generations=250, seed=seed) for seed in range(2)]
    n_foreign = sum(bool(foreign_parents(i, h)) for h in histories for i in h.individuals)
    n_children = sum(len(history.individuals) - 20 for history in histories)
    assert n_foreign / n_children == pytest.approx(0.154, abs=0.006)


def test_one_task_alone_needs_a_pair_for_every_two_children() -> None:
    history = search(n_tasks=1, generations=20)
    assert {generation.n_pairs for generation in history.generations[1:]} == {10}
    operators = {individual.operator for individual in history.individuals}
    assert operators == {Operator.INITIAL, Operator.CROSSOVER}


def test_a_population_holds_no_chromosome_twice_while_there_are_enough() -> None:
    history = search(generations=30)
    for before, after in zip(history.generations, history.generations[1:], strict=False):
        born = {i.id for i in history.individuals if i.generation == after.generation}
        for task in (0, 1):
            pool = [history.individuals[id_] for id_ in born.union(before.population)]
            survivors = [history.individuals[id_] for id_ in after.population]
            n_different = len(different_chromosomes(subpopulation(pool, task)))
            survivors = subpopulation(survivors, task)
            assert len(different_chromosomes(survivors)) == min(n_different, len(survivors))


def test_a_search_that_starts_again_repeats_itself_and_another_seed_differs() -> None:
    first, again, other = (search(seed=seed) for seed in (1, 1, 2))
    assert first.individuals == again.individuals
    assert first.population == again.population
    assert first.individuals != other.individuals


def test_twelve_generations_of_three_tasks_are_those_on_record(check_golden) -> None:
    history = search(n_tasks=3, population=7, generations=12, mutation_probability=0.1)
    text = "".join(map(describe, history.individuals))
    for generation in history.generations:
        survivors = " ".join(map(str, generation.population))
        pairs = f"{generation.n_pairs} pairs, {generation.n_transfers} transfers"
        text += f"{generation.generation}: {pairs}; {survivors}\n"
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
