import dataclasses
import math

import fake
import pytest
from fake import commit_search

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import DamagedError, InputError
from emtnas_hpc.report.experiments import experiments_of
from emtnas_hpc.report.load import newest_history, read_runs
from emtnas_hpc.report.searches import search_values
from emtnas_hpc.runner.attempts import Attempt
from emtnas_hpc.space.architecture import parse_genotype
from emtnas_hpc.space.counts import count_macs, count_parameters


def searches(*directories):
    return [run.search for run in read_runs(directories).runs]


def summarise(runs):
    return [search_values(experiment) for experiment in experiments_of(runs)]


def test_a_result_is_the_incumbent_with_its_counts_and_the_sum_of_seconds(tmp_path):
    history = commit_search(tmp_path / "seed-0")
    (result,) = searches(tmp_path / "seed-0")
    assert (result.header.name, result.header.seed, result.generation) == ("fake", 0, 5)
    for task, found in enumerate(result.tasks):
        cell = history.generations[-1].tasks[task]
        architecture = parse_genotype(found.genotype)
        shape = history.header.tasks[task].shape
        assert found.incumbent == cell.incumbent
        assert found.true_fitness == max(g.tasks[task].true_fitness for g in history.generations)
        assert found.first_true_fitness == history.generations[0].tasks[task].true_fitness
        assert found.parameters == count_parameters(architecture, shape)
        assert found.macs == count_macs(architecture, shape)
        for part in ("training", "evaluation", "search", "true_fitness"):
            kind = f"seconds_{part}"
            spent = sum(getattr(g.tasks[task], kind) for g in history.generations)
            assert getattr(found, kind) == pytest.approx(spent)


def test_the_newest_commit_counts_also_while_weights_are_missing(tmp_path):
    commit_search(tmp_path / "seed-0", until=3)
    for weights in (tmp_path / "seed-0").rglob("*.pt"):
        weights.unlink()
    (result,) = searches(tmp_path / "seed-0")
    assert result.generation == 3


def test_a_damaged_history_falls_back_to_the_commit_before(tmp_path):
    commit_search(tmp_path / "seed-0", until=3)
    (tmp_path / "seed-0/search/000003/state.h5").write_bytes(b"noise")
    assert newest_history(tmp_path / "seed-0").generation == 2


def test_damaged_and_empty_runs_are_named_and_the_others_reported(tmp_path):
    commit_search(tmp_path / "good")
    commit_search(tmp_path / "bad")
    for state in (tmp_path / "bad").rglob("state.h5"):
        state.write_bytes(b"noise")
    (tmp_path / "empty").mkdir()
    found = read_runs([tmp_path / name for name in ("bad", "empty", "good")])
    assert len(found.runs) == 1
    bad, empty = (p for p in found.problems if "no experiment.toml" not in p)
    assert bad.startswith(f"{tmp_path / 'bad'}: no commit has a good state.h5")
    assert empty == f"{tmp_path / 'empty'}: nothing has been committed yet"
    with pytest.raises(DamagedError):
        newest_history(tmp_path / "bad")
    with pytest.raises(InputError):
        newest_history(tmp_path / "empty")


def test_a_summary_has_mean_and_sample_deviation_over_seeds(tmp_path):
    for seed in (0, 1, 2):
        commit_search(tmp_path / f"seed-{seed}", seed=seed)
    runs = read_runs([tmp_path / f"seed-{seed}" for seed in (2, 0, 1)]).runs
    (summary,) = summarise(runs)
    values = [
        result.tasks[0].true_fitness
        for result in searches(*(tmp_path / f"seed-{seed}" for seed in range(3)))
    ]
    mean = sum(values) / 3
    statistic = summary["tasks"][0]["quantities"]["true_fitness"]
    assert summary["seeds"] == [0, 1, 2]
    assert statistic["mean"] == pytest.approx(mean)
    assert statistic["std"] == pytest.approx(math.sqrt(sum((v - mean) ** 2 for v in values) / 2))


def test_one_seed_has_no_deviation_and_an_unmeasured_quantity_no_mean(tmp_path):
    history = commit_search(tmp_path / "seed-0", generations=6, until=1, true_fitness_every=5)
    (result,) = searches(tmp_path / "seed-0")
    (summary,) = summarise(read_runs([tmp_path / "seed-0"]).runs)
    assert result.tasks[1].incumbent == history.generations[0].tasks[1].fittest
    quantities = summary["tasks"][0]["quantities"]
    assert math.isnan(quantities["true_fitness"]["mean"])
    assert math.isnan(quantities["seconds_training"]["std"])
    assert summary["unfinished"] == (0,)


def test_runs_of_one_name_but_other_settings_are_never_averaged(tmp_path):
    commit_search(tmp_path / "a", generations=4)
    commit_search(tmp_path / "b", generations=5, seed=1)
    commit_search(tmp_path / "c", generations=5, seed=2)
    summaries = summarise(read_runs([*(tmp_path / name for name in "abc")]).runs)
    assert sorted(summary["seeds"] for summary in summaries) == [[0], [1, 2]]


def test_of_one_search_in_two_places_the_one_that_came_further_counts(tmp_path):
    commit_search(tmp_path / "a", until=2)
    commit_search(tmp_path / "b", until=4)
    commit_search(tmp_path / "c", until=3)
    found = read_runs([tmp_path / name for name in "abc"])
    assert [run.search.generation for run in found.runs] == [4]
    assert tuple(p for p in found.problems if "no experiment.toml" not in p) == (
        f"{tmp_path / 'a'}: the same search as {tmp_path / 'b'}",
        f"{tmp_path / 'c'}: the same search as {tmp_path / 'b'}",
    )


def test_a_run_that_went_on_under_other_conditions_says_so(tmp_path):
    commit_search(tmp_path / "seed-0")
    for torch in ("2.9", "2.10"):
        attempt = Attempt(RunPaths(tmp_path / "seed-0"), f"t{torch[2:]}", {"torch": torch})
        attempt.event("committed", stage="search")
        attempt.close()
    (summary,) = summarise(read_runs([tmp_path / "seed-0"]).runs)
    assert summary["condition_changes"] == {0: ("torch 2.9 -> 2.10",)}


def test_a_loss_that_diverged_is_summarised_with_its_first_generation(tmp_path, monkeypatch):
    monkeypatch.setattr(fake.FakeTrainer, "train", diverging_from(3))
    commit_search(tmp_path / "seed-0", generations=4)
    monkeypatch.undo()
    commit_search(tmp_path / "seed-1", generations=4, seed=1)
    (summary,) = summarise(read_runs([*(tmp_path / f"seed-{seed}" for seed in (0, 1))]).runs)
    assert summary["diverged"] == {0: ("task0 in generation 3", "task1 in generation 3")}


def diverging_from(first):
    real = fake.FakeTrainer.train

    def train(self, chromosomes, generation, interrupted):
        record = real(self, chromosomes, generation, interrupted)
        return dataclasses.replace(record, loss=math.nan) if generation >= first else record

    return train


def test_a_seed_that_is_not_finished_is_left_out_as_soon_as_another_one_is(tmp_path):
    commit_search(tmp_path / "seed-0", seed=0)
    commit_search(tmp_path / "seed-1", seed=1, until=2)
    (summary,) = summarise(read_runs([tmp_path / "seed-0", tmp_path / "seed-1"]).runs)
    (first,) = searches(tmp_path / "seed-0")
    assert (summary["seeds"], summary["unfinished"]) == ([0], (1,))
    assert summary["tasks"][0]["quantities"]["macs"]["mean"] == first.tasks[0].macs
