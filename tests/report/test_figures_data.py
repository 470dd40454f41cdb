from dataclasses import replace

import numpy as np
import pytest
from traces import by_hand, drawn, search, traces

from emtnas_hpc.report.search_arrays import (
    band_of,
    distinct_chromosomes,
    foreign_tasks,
    mean_hamming_distance,
    subpopulation_genes,
    trace_of,
    transfer_counts,
)


def test_a_trace_has_what_the_history_has() -> None:
    history = search()
    trace = trace_of(history)
    newest = history.generations[-1]
    assert trace.generation == history.generation
    assert tuple(trace.population[-1]) == newest.population
    for task, cell in enumerate(newest.tasks):
        fittest = history.individuals[cell.fittest]
        assert trace.true_fitness[-1, task] == cell.true_fitness
        assert trace.sampled_accuracy[-1, task] == fittest.sampled_accuracy
        assert trace.incumbents[task] == history.incumbent(task).id
        evaluations = [g.tasks[task].seconds_evaluation for g in history.generations]
        assert trace.seconds[task, 1] == pytest.approx(sum(evaluations))


def test_a_band_is_mean_and_sample_deviation_of_what_was_measured() -> None:
    band = band_of([np.array([1.0, np.nan, np.nan, 4.0]), np.array([3.0, np.nan, 5.0, 4.0])])
    assert band.generations.tolist() == [1, 3, 4]
    assert band.mean.tolist() == [2.0, 5.0, 4.0]
    assert band.std == pytest.approx([2**0.5, 0.0, 0.0])


def test_a_band_ends_where_the_first_seed_does() -> None:
    assert band_of([np.array([1.0, 2.0]), np.array([1.0])]).generations.tolist() == [1]


def test_a_quantity_that_was_never_measured_has_an_empty_band() -> None:
    assert len(band_of([np.array([np.nan])]).mean) == 0


def test_children_are_counted_by_pair_of_tasks() -> None:
    born, entered = transfer_counts(by_hand())
    assert born[0].sum() == 0
    assert born[1].tolist() == [[0, 0], [1, 1]]
    assert entered[1].tolist() == [[0, 0], [1, 0]]


def test_a_mutant_that_was_given_to_another_task_has_a_foreign_parent() -> None:
    trace = by_hand(parents=np.array([[-1, -1], [-1, -1], [1, -1], [1, -1]]))
    assert foreign_tasks(trace).tolist() == [0, 1, 1, 1]


def test_counts_of_children_agree_with_the_history() -> None:
    history = search(n_tasks=3)
    born, entered = transfer_counts(trace_of(history))
    tasks = [individual.skill_factor for individual in history.individuals]
    survivors = {i for generation in history.generations for i in generation.population}
    for source, target in ((0, 1), (2, 0), (1, 1)):
        children = [
            individual
            for individual in history.individuals
            if individual.skill_factor == target and individual.parent_a >= 0
        ]
        of_pair = []
        for child in children:
            parents = [tasks[i] for i in (child.parent_a, child.parent_b) if i >= 0]
            foreign = [task for task in parents if task != target]
            if (foreign or [target]) == [source]:
                of_pair.append(child.id)
        assert born[:, source, target].sum() == len(of_pair)
        assert entered[:, source, target].sum() == len(survivors & set(of_pair))


def test_diversity_is_that_of_all_pairs() -> None:
    history = search()
    genes = subpopulation_genes(trace_of(history), 1)
    newest = [i.chromosome for i in history.population if i.skill_factor == 1]
    pairs = [(a, b) for i, a in enumerate(newest) for b in newest[:i]]
    distances = [sum(x != y for x, y in zip(a, b, strict=True)) for a, b in pairs]
    assert mean_hamming_distance(genes)[-1] == pytest.approx(sum(distances) / len(pairs))
    assert distinct_chromosomes(genes)[-1] == len(set(newest))


def test_one_individual_alone_is_at_no_distance() -> None:
    assert mean_hamming_distance(subpopulation_genes(by_hand(), 0)).tolist() == [0.0, 0.0]


def test_seeds_of_one_signature_are_one_experiment_and_no_others() -> None:
    known = traces(2)
    other = trace_of(search(generations=7))
    both = drawn([*known, other])
    assert [len(experiment.traces) for experiment in both] == [2, 1]
    assert [experiment.title for experiment in both] == [
        "fake (settings 2-6)",
        "fake (settings 2-7)",
    ]
    assert [experiment.key for experiment in both] == ["fake-settings-2-6", "fake-settings-2-7"]
    (alone,) = drawn(known)
    assert (alone.title, alone.seed_text) == ("fake", "seeds 0, 1 (n = 2)")


def test_a_seed_that_is_not_finished_waits_for_the_others_figures() -> None:
    finished, running = trace_of(search()), trace_of(search(seed=1, until=2))
    (experiment,) = drawn([running, finished])
    assert (experiment.traces, experiment.left_out) == ((finished,), (1,))


def test_while_no_seed_is_finished_all_are_shown() -> None:
    running = [replace(trace, header=replace(trace.header, n_generations=9)) for trace in traces()]
    (experiment,) = drawn(running)
    assert (len(experiment.traces), experiment.left_out) == (2, ())
    assert not experiment.finished
