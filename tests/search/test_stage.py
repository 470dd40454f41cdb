import json
import math
from collections import Counter

import pytest
from fake import FakeTrainer, make_stage
from scipy.stats import binomtest

from emtnas_hpc.evolution.population import NOBODY, Operator, divide
from emtnas_hpc.runner.loop import StepInterrupted
from emtnas_hpc.search.history import History

pytestmark = pytest.mark.slow

RANDOM = {"strategy": "random", "reevaluate": False}
#: What the paper leaves open, chosen otherwise.
OTHER = {"clones": "fittest", "wheel": "raw_fitness", "mutation": "other"}


def never() -> bool:
    return False


def search(**settings) -> History:
    stage = make_stage(**settings)
    history = stage.start()
    for _generation in range(stage.n_steps):
        history = stage.advance(history, never)
    return history


def cost(history: History) -> list[tuple[int, int, bool]]:
    """By generation and task: steps of training, evaluations, whether a true fitness is there."""
    born = Counter((i.generation, i.skill_factor) for i in history.individuals)
    return [
        (entry.n_steps, born[g.generation, task], math.isnan(entry.true_fitness))
        for g in history.generations
        for task, entry in enumerate(g.tasks)
    ]


@pytest.mark.parametrize("n_tasks", [1, 2, 3, 4])
def test_every_task_keeps_its_share_in_every_generation(n_tasks):
    history = search(n_tasks=n_tasks)
    shares = divide(20, n_tasks)
    for generation in history.generations:
        factors = [history.individuals[i].skill_factor for i in generation.population]
        assert tuple(factors.count(task) for task in range(n_tasks)) == shares
    assert len(history.individuals) == 20 * 10


def test_without_random_mating_no_individual_ever_has_a_parent_of_another_task():
    history = search(rmp=0.0, generations=50)
    for individual in history.individuals:
        for parent in (individual.parent_a, individual.parent_b, individual.parent_of_record):
            if parent != NOBODY:
                assert history.individuals[parent].skill_factor == individual.skill_factor
    assert sum(generation.n_transfers for generation in history.generations) == 0
    assert sum(generation.n_pairs for generation in history.generations) > 400


def test_of_two_tasks_fifteen_percent_of_the_pairs_cross_at_an_rmp_of_0_3():
    histories = [search(seed=seed, generations=100) for seed in range(5)]
    generations = [g for history in histories for g in history.generations]
    n_pairs = sum(generation.n_pairs for generation in generations)
    n_transfers = sum(generation.n_transfers for generation in generations)
    assert n_pairs > 5000
    assert binomtest(n_transfers, n_pairs, 0.15).pvalue > 0.001


def test_the_first_generation_is_measured_but_not_selected_or_damped():
    history = search(generations=1)
    assert history.generations[0].population == tuple(range(20))
    for individual in history.individuals:
        assert individual.operator is Operator.INITIAL
        assert individual.fitness == individual.sampled_accuracy


def test_reevaluation_damps_toward_the_parent_and_not_at_all_in_the_last_generation():
    history = search(generations=10)
    for child in history.individuals[20:]:
        trust = math.log(child.generation) / math.log(10)
        damped = child.parent_fitness + (child.sampled_accuracy - child.parent_fitness) * trust
        assert child.fitness == pytest.approx(damped)
    last = [child for child in history.individuals if child.generation == 10]
    assert all(child.fitness == child.sampled_accuracy for child in last)


def test_without_reevaluation_fitness_is_the_sampled_accuracy():
    history = search(reevaluate=False)
    assert all(i.fitness == i.sampled_accuracy for i in history.individuals)


def test_in_a_random_search_nobody_has_a_parent_and_all_chromosomes_are_drawn():
    history = search(**RANDOM)
    assert len({individual.chromosome for individual in history.individuals}) == 200
    for id_, individual in enumerate(history.individuals):
        assert (individual.id, individual.generation) == (id_, 1 + id_ // 20)
        assert individual.operator is Operator.INITIAL
        parents = (individual.parent_a, individual.parent_b, individual.parent_of_record)
        assert parents == (NOBODY, NOBODY, NOBODY)
        assert math.isnan(individual.parent_fitness)
        assert individual.fitness == individual.sampled_accuracy
    assert {(g.n_pairs, g.n_transfers) for g in history.generations} == {(0, 0)}


@pytest.mark.parametrize("n_tasks", [1, 2, 3])
def test_a_random_search_begins_as_evolution_does_and_costs_as_much(n_tasks):
    random, evolved = search(n_tasks=n_tasks, **RANDOM), search(n_tasks=n_tasks, reevaluate=False)
    assert cost(random) == cost(evolved)
    assert random.individuals[:20] == evolved.individuals[:20]
    assert random.individuals[20].chromosome != evolved.individuals[20].chromosome


def test_a_random_search_keeps_the_fittest_as_evolution_does():
    history = search(**RANDOM)
    for task in (0, 1):
        of_task = [i for i in history.individuals if i.skill_factor == task]
        best = sorted(of_task, key=lambda i: (i.fitness, i.id), reverse=True)[:10]
        assert [i for i in history.population if i.skill_factor == task] == best


def test_the_authors_running_mean_averages_over_those_measured_before_in_the_task():
    history = search(fitness="running_mean", reevaluate=False, generations=3)
    for task in (0, 1):
        for generation in (1, 2, 3):
            brood = [
                i
                for i in history.individuals
                if (i.generation, i.skill_factor) == (generation, task)
            ]
            sampled = [i.sampled_accuracy for i in brood]
            for n, individual in enumerate(brood, start=1):
                assert individual.fitness == pytest.approx(sum(sampled[:n]) / n)


def test_the_parent_of_record_has_the_childs_skill_factor():
    history = search(generations=30)
    for child in history.individuals[20:]:
        parent = history.individuals[child.parent_of_record]
        assert parent.skill_factor == child.skill_factor
        assert child.parent_fitness == parent.fitness


def test_true_fitness_is_measured_when_due_and_always_in_the_last_generation():
    history = search(generations=8, true_fitness_every=3)
    measured = [
        generation.generation
        for generation in history.generations
        if not math.isnan(generation.tasks[0].true_fitness)
    ]
    assert measured == [3, 6, 8]
    assert history.generations[1].tasks[0].incumbent == NOBODY


def test_the_incumbent_is_the_best_true_fitness_so_far_and_of_equals_the_later_one():
    history = search(generations=20)
    for task in (0, 1):
        best, incumbent = -1.0, NOBODY
        for generation in history.generations:
            entry = generation.tasks[task]
            if entry.true_fitness >= best:
                best, incumbent = entry.true_fitness, entry.fittest
            assert entry.incumbent == incumbent
        assert history.best_true_fitness(task) == best


def test_every_step_is_counted_once_and_for_the_eldest_of_the_equal_chromosomes_at_hand():
    histories = [search(seed=seed, generations=2) for seed in range(10)]
    for history in histories:
        steps = sum(task.n_steps for g in history.generations for task in g.tasks)
        assert sum(history.n_steps) == steps
    # A clone of the second generation has its elder beside it.
    clones = [(h, i) for h in histories for i in h.individuals if i.clone_of != NOBODY]
    assert clones
    assert all(history.n_steps[clone.id] == 0 for history, clone in clones)


def test_evaluation_is_halved_by_two_tasks_against_two_searches_of_one():
    together = search(n_tasks=2, generations=5)
    alone = search(n_tasks=1, generations=5)
    assert len(together.individuals) == len(alone.individuals) == 100


def test_time_is_accounted_by_phase_and_task_and_the_searching_divided_evenly():
    ticks = iter(range(10_000))
    stage = make_stage(generations=1, clock=lambda: float(next(ticks)))
    history = stage.advance(stage.start(), never)
    for task in history.generations[0].tasks:
        assert task.seconds_training == 1.0
        assert task.seconds_evaluation == 1.0
        assert task.seconds_true_fitness == 1.0
        assert task.seconds_search == 1.0  # two spells of one tick, over two tasks


def test_an_abandoned_generation_leaves_no_trace_in_the_history():
    stage = make_stage()
    history = stage.advance(stage.start(), never)
    with pytest.raises(StepInterrupted):
        stage.advance(history, lambda: True)
    assert history.generation == 1
    assert len(history.individuals) == 20


def test_all_zero_fitness_does_not_stop_a_search(monkeypatch):
    monkeypatch.setattr("fake.FakeTrainer.accuracy", lambda _self, _chromosome: 0.0)
    history = search(generations=5)
    assert history.generation == 5


@pytest.fixture
def falling(monkeypatch):
    """Accuracies fall as training goes on, so that a clone is worse than its elder."""
    rising = FakeTrainer.accuracy

    def accuracy(trainer, chromosome):
        return rising(trainer, chromosome) * math.exp(-trainer.n_batches / 50)

    monkeypatch.setattr(FakeTrainer, "accuracy", accuracy)


@pytest.mark.usefixtures("falling")
@pytest.mark.parametrize("choice", OTHER)
def test_the_other_choice_makes_another_search_of_the_same_beginning(choice):
    paper, other = search(), search(**{choice: OTHER[choice]})
    assert other.individuals[:20] == paper.individuals[:20]
    assert other.individuals != paper.individuals


def test_in_a_random_search_clones_are_the_only_choice_that_could_matter():
    chosen = {name: OTHER[name] for name in ("wheel", "mutation")}
    assert search(**RANDOM, **chosen).individuals == search(**RANDOM).individuals


@pytest.mark.usefixtures("falling")
@pytest.mark.parametrize(
    "settings",
    [{}, RANDOM, *({name: value} for name, value in OTHER.items())],
    ids=["evolution", "random", *OTHER],
)
@pytest.mark.parametrize("stop_after", [1, 4, 9])
def test_a_search_loaded_from_its_files_continues_as_if_it_had_never_stopped(
    stop_after, settings, tmp_path
):
    whole = search(**settings)
    first = make_stage(**settings)
    history = first.start()
    for _generation in range(stop_after):
        history = first.advance(history, never)
    first.save(history, tmp_path)
    second = make_stage(**settings)
    history = second.load(tmp_path)
    for _generation in range(10 - stop_after):
        history = second.advance(history, never)
    assert history.individuals == whole.individuals
    assert [(g.population, g.fitness) for g in history.generations] == [
        (g.population, g.fitness) for g in whole.generations
    ]
    assert history.n_steps == whole.n_steps


def test_phases_are_told_in_the_order_in_which_they_happen(tmp_path):
    told = []

    def on_phase(phase, task):
        told.append(f"{phase} {task}".strip())

    stage = make_stage(n_tasks=2, generations=1, on_phase=on_phase)
    stage.save(stage.advance(stage.start(), never), tmp_path)
    assert told == [
        "training task0",
        "evaluation task0",
        "training task1",
        "evaluation task1",
        "true fitness task0",
        "true fitness task1",
        "commit",
    ]


def test_what_is_told_of_a_generation_is_plain_json():
    stage = make_stage(generations=4, true_fitness_every=3)
    history = stage.advance(stage.start(), never)
    told = stage.readings(history)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["tasks"]["task0"]["true_fitness"] is None
