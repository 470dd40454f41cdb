import math

import pytest
from fake import make_stage

from emtnas_hpc.errors import DamagedError, InputError
from emtnas_hpc.report import collect, summarise
from emtnas_hpc.report.collect import newest_history
from emtnas_hpc.space.counts import count_macs, count_parameters
from emtnas_hpc.space.genotype import parse_genotype
from emtnas_hpc.store.claim import take
from emtnas_hpc.store.owner import this_process
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.run_store import RunStore


def commit_search(directory, *, seed=0, generations=5, until=None, **settings):
    """A run directory such as a search leaves it, made by a fake trainer."""
    paths = RunPaths(directory)
    claim = take(paths, this_process(), say=lambda _message: None)
    store = RunStore(paths, "search", signature="0" * 64, claim=claim)
    stage = make_stage(seed=seed, generations=generations, **settings)
    history = stage.start()
    for step in range(1, (until or generations) + 1):
        history = stage.advance(history, lambda: False)
        store.commit(step, lambda folder, state=history: stage.save(state, folder))
        store.prune(step)
    claim.release()
    return history


def test_a_result_is_the_incumbent_with_its_counts_and_the_sum_of_seconds(tmp_path):
    history = commit_search(tmp_path / "seed-0")
    (result,) = collect([tmp_path / "seed-0"]).results
    assert (result.name, result.seed, result.generation) == ("fake", 0, 5)
    for task, found in enumerate(result.tasks):
        entry = history.generations[-1].tasks[task]
        architecture = parse_genotype(found.genotype)
        shape = history.header.tasks[task].shape
        assert found.incumbent == entry.incumbent
        assert found.true_fitness == max(g.tasks[task].true_fitness for g in history.generations)
        assert found.first_true_fitness == history.generations[0].tasks[task].true_fitness
        assert found.parameters == count_parameters(architecture, shape)
        assert found.macs == count_macs(architecture, shape)
        assert found.seconds_training == pytest.approx(
            sum(g.tasks[task].seconds_training for g in history.generations)
        )


def test_the_newest_commit_counts_also_while_weights_are_missing(tmp_path):
    commit_search(tmp_path / "seed-0", until=3)
    for weights in (tmp_path / "seed-0").rglob("*.pt"):
        weights.unlink()
    (result,) = collect([tmp_path / "seed-0"]).results
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
    collection = collect([tmp_path / name for name in ("bad", "empty", "good")])
    assert len(collection.results) == 1
    bad, empty = collection.problems
    assert bad.startswith(f"{tmp_path / 'bad'}: no commit has a good state.h5")
    assert empty == f"{tmp_path / 'empty'}: nothing has been committed yet"
    with pytest.raises(DamagedError):
        newest_history(tmp_path / "bad")
    with pytest.raises(InputError):
        newest_history(tmp_path / "empty")


def test_a_summary_has_mean_and_sample_deviation_over_seeds(tmp_path):
    for seed in (0, 1, 2):
        commit_search(tmp_path / f"seed-{seed}", seed=seed)
    results = collect([tmp_path / f"seed-{seed}" for seed in (2, 0, 1)]).results
    (summary,) = summarise(results)
    values = [result.tasks[0].true_fitness for result in results]
    mean = sum(values) / 3
    statistic = summary.tasks[0].quantities["true_fitness"]
    assert summary.seeds == (0, 1, 2)
    assert statistic.mean == pytest.approx(mean)
    assert statistic.std == pytest.approx(math.sqrt(sum((v - mean) ** 2 for v in values) / 2))


def test_one_seed_has_no_deviation_and_an_unmeasured_quantity_no_mean(tmp_path):
    history = commit_search(tmp_path / "seed-0", generations=6, until=1, true_fitness_every=5)
    (result,) = collect([tmp_path / "seed-0"]).results
    (summary,) = summarise([result])
    assert result.tasks[1].incumbent == history.generations[0].tasks[1].fittest
    quantities = summary.tasks[0].quantities
    assert math.isnan(quantities["true_fitness"].mean)
    assert math.isnan(quantities["seconds_training"].std)
    assert summary.unfinished == (0,)


def test_runs_of_one_name_but_other_tasks_are_summed_up_apart(tmp_path):
    commit_search(tmp_path / "a", n_tasks=1)
    commit_search(tmp_path / "b", n_tasks=2, seed=1)
    summaries = summarise(collect([tmp_path / "a", tmp_path / "b"]).results)
    assert [len(summary.tasks) for summary in summaries] == [1, 2]


def test_a_search_that_is_given_twice_counts_once(tmp_path):
    for folder in ("a", "b"):
        commit_search(tmp_path / folder)
    collection = collect([tmp_path / "a", tmp_path / "b"])
    assert len(collection.results) == 1
    assert collection.problems == (
        f"{tmp_path / 'b'}: the same search as another run here, counted once",
    )
