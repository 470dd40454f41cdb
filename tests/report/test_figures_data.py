import pytest
from searches_by_hand import PARENTS, by_hand, drawn, risen, search, seeds

from emtnas_hpc.report.search_frames import generation_frame, individual_frame, time_frame


def generations_of(*histories):
    (experiment,) = drawn(histories)
    return generation_frame(experiment)


def individuals_of(*histories):
    (experiment,) = drawn(histories)
    return individual_frame(experiment)


def test_a_line_of_a_generation_has_what_the_history_has() -> None:
    history = search()
    newest = generations_of(history).groupby("task").last()
    for task, cell in enumerate(history.generations[-1].tasks):
        line = newest.loc[f"task{task}"]
        fittest = history.individuals[cell.fittest]
        assert (line.generation, line.seed) == (6, 0)
        assert line.true == pytest.approx(100 * cell.true_fitness)
        assert line.estimated == pytest.approx(100 * fittest.fitness)


def test_what_selection_saw_of_the_fittest_is_its_re_evaluated_fitness() -> None:
    frame = generations_of(risen([0.3, 0.4], [0.2, 0.35]))
    assert frame.estimated.tolist() == pytest.approx([20, 35])
    assert frame.true.tolist() == pytest.approx([30, 40])


def test_the_times_of_a_search_are_sums_over_its_tasks_and_generations() -> None:
    history = search()
    (line,) = time_frame(drawn([history])).itertuples()
    tasks = [task for generation in history.generations for task in generation.tasks]
    assert line.evaluation == pytest.approx(sum(task.seconds_evaluation for task in tasks))
    assert (line.experiment, line.note) == ("fake", "")


def test_the_incumbents_are_marked() -> None:
    history = search()
    found = individuals_of(history)
    expected = {history.incumbent(task).id for task in (0, 1)}
    assert set(found.index[found.incumbent]) == expected


def test_children_are_counted_by_the_task_of_their_foreign_parent() -> None:
    found = individuals_of(by_hand())
    assert found.foreign.tolist() == ["", "", "task1", "task1"]
    assert found.task.tolist() == ["task0", "task1", "task0", "task1"]
    assert found.entered.tolist() == [True, True, True, False]


def test_a_mutant_that_was_given_to_another_task_has_a_foreign_parent() -> None:
    found = individuals_of(by_hand([*PARENTS[:2], (1, -1), (1, -1)]))
    assert found.foreign.tolist()[2:] == ["task1", "task1"]


def test_children_agree_with_the_history() -> None:
    history = search(n_tasks=3)
    found = individuals_of(history)
    survivors = {i for generation in history.generations for i in generation.population}
    for individual, line in zip(history.individuals, found.itertuples(), strict=True):
        parents = [i for i in (individual.parent_a, individual.parent_b) if i >= 0]
        tasks = [history.individuals[i].skill_factor for i in parents]
        foreign = [task for task in tasks if task != individual.skill_factor]
        (expected, *_) = foreign or tasks or [None]
        assert line.foreign == ("" if expected is None else f"task{expected}")
        assert line.entered == (individual.id in survivors)
        assert line.generation == individual.generation


def test_diversity_is_that_of_all_pairs() -> None:
    history = search()
    line = generations_of(history).groupby("task").last().loc["task1"]
    newest = [i.chromosome for i in history.population if i.skill_factor == 1]
    pairs = [(a, b) for i, a in enumerate(newest) for b in newest[:i]]
    distances = [sum(x != y for x, y in zip(a, b, strict=True)) for a, b in pairs]
    assert line.distance == pytest.approx(sum(distances) / len(pairs))
    assert line.distinct == len(set(newest))


def test_one_individual_alone_is_at_no_distance() -> None:
    assert generations_of(by_hand()).distance.tolist() == [0.0] * 4


def test_seeds_of_one_signature_are_one_experiment_and_no_others() -> None:
    both = drawn([*seeds(2), search(generations=7)])
    assert [len(experiment.drawn) for experiment in both] == [2, 1]
    assert [experiment.title for experiment in both] == [
        "fake (settings 2-6)",
        "fake (settings 2-7)",
    ]
    assert [experiment.key for experiment in both] == ["fake-settings-2-6", "fake-settings-2-7"]
    (alone,) = drawn(seeds(2))
    assert (alone.title, alone.drawn_seeds) == ("fake", "seeds 0, 1 (n = 2)")


def test_a_seed_that_is_not_finished_waits_for_the_others_figures() -> None:
    frame = generations_of(search(seed=1, until=2), search())
    assert set(frame.seed) == {0}
    assert frame.attrs["seeds"] == "Seed 0 (n = 1). Not finished and left out: seed 1."


def test_while_no_seed_is_finished_all_are_shown() -> None:
    frame = generations_of(search(until=2), search(seed=1, until=3))
    assert set(frame.seed) == {0, 1}
    assert frame.attrs["seeds"].endswith("Not finished: shown up to generation 2.")
