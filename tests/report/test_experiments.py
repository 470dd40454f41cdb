from fake_runs import SHORT, make_run

from emtnas_hpc.report.experiments import Kind, Recipe, experiments_of, families_of
from emtnas_hpc.report.load import read_runs
from emtnas_hpc.report.specs import RowSpec

CIFAR = frozenset({"cifar10", "cifar100"})


def families(runs):
    return families_of(read_runs(sorted(runs.glob("*/seed-*"))).runs)


def test_seeds_of_one_signature_are_an_experiment_and_what_tables_compare_a_family(ablation):
    (family,) = families(ablation)
    assert {kind: len(e.runs) for kind, e in family.experiments.items()} == {
        Kind(CIFAR, True, 0.3): 5,
        Kind(CIFAR, False, 0.3): 2,
        Kind(frozenset({"cifar10"}), False, None): 5,
        Kind(frozenset({"cifar100"}), False, None): 5,
        Kind(frozenset({"cifar10"}), True, None): 2,
        Kind(frozenset({"cifar100"}), True, None): 2,
    }
    assert family.others == ()
    assert family.settings["search.generations"] == 3
    assert "search.rmp" not in family.settings


def test_the_mating_probability_of_a_single_task_tells_nothing_apart(tmp_path):
    make_run(tmp_path, "cifar10-single", SHORT)
    make_run(tmp_path, "cifar10-single", SHORT, "search.rmp=0.9", name="b")
    (family,) = families(tmp_path)
    assert len(family.experiments) == 1
    assert len(family.others) == 1


def test_a_random_search_is_of_the_family_of_the_search_that_costs_as_much(tmp_path):
    for preset in ("cifar", "cifar-random"):
        make_run(tmp_path, preset, SHORT)
    make_run(tmp_path, "cifar-random", SHORT, "search.rmp=0.9", name="z")
    (family,) = families(tmp_path)
    assert {kind: e.name for kind, e in family.experiments.items()} == {
        Kind(CIFAR, True, 0.3): "cifar",
        Kind(CIFAR, False, None, random=True): "cifar-random",
    }
    assert [other.name for other in family.others] == ["z"]


def test_one_more_setting_is_another_family_and_threads_are_not(tmp_path):
    make_run(tmp_path, "cifar", SHORT)
    make_run(tmp_path, "cifar10-single", SHORT, "threads=2")
    make_run(tmp_path, "cifar100-single", SHORT, "training.learning_rate=0.2")
    sizes = [len(family.experiments) for family in families(tmp_path)]
    assert sizes == [2, 1]


def test_of_two_experiments_for_one_row_the_one_with_more_finished_seeds_counts(tmp_path):
    for seed in range(2):
        make_run(tmp_path, "cifar", SHORT, "task.cifar10.flip=false", seed=seed, name="z")
        until = 2 if seed else None
        make_run(tmp_path, "cifar", SHORT, seed=seed, until=until, retrained=None)
    (family,) = families(tmp_path)
    (experiment,) = family.experiments.values()
    assert experiment.name == "z"
    assert [other.name for other in family.others] == ["cifar"]


def test_runs_without_settings_are_in_no_family(tmp_path):
    directory = make_run(tmp_path, "cifar", SHORT)
    (directory / "experiment.toml").unlink()
    assert families(tmp_path) == ()


def test_a_row_asks_for_one_joint_experiment_or_for_one_a_task():
    joint = RowSpec(("a", "b"), joint=True, reevaluate=True, rmp=0.1)
    assert joint.kinds == (Kind(frozenset("ab"), True, 0.1),)
    assert joint.baseline.kinds == (
        Kind(frozenset("a"), False, None),
        Kind(frozenset("b"), False, None),
    )
    assert (joint.is_baseline, joint.baseline.is_baseline) == (False, True)
    assert joint.key == "a+b joint rmp=0.1 reevaluated n2"
    random = RowSpec(("a", "b"), joint=True, reevaluate=False, random=True)
    assert random.kinds == (Kind(frozenset("ab"), False, None, random=True),)
    assert (random.baseline, random.is_baseline) == (joint.baseline, False)
    assert random.key == "a+b joint random n2"


def experiments(runs):
    return experiments_of(read_runs(sorted(runs.glob("*/seed-*"))).runs)


def test_seeds_that_were_called_otherwise_are_one_experiment_all_the_same(tmp_path):
    make_run(tmp_path, "cifar", SHORT, seed=0, name="b")
    make_run(tmp_path, "cifar", SHORT, seed=1, name="a")
    (experiment,) = experiments(tmp_path)
    assert (experiment.name, experiment.key, len(experiment.runs)) == ("a / b", "a-b", 2)


def test_experiments_of_one_name_or_of_one_file_name_are_told_apart(tmp_path):
    make_run(tmp_path / "x", "cifar", SHORT, name="same")
    make_run(tmp_path / "y", "cifar", SHORT, "search.rmp=0.1", name="same")
    directories = sorted(tmp_path.glob("*/*/seed-*"))
    titles = [experiment.title for experiment in experiments_of(read_runs(directories).runs)]
    assert all(title.startswith("same (settings ") for title in titles)
    make_run(tmp_path / "z", "cifar", SHORT, name="a.b")
    make_run(tmp_path / "z", "cifar", SHORT, "search.rmp=0.1", name="a-b")
    keys = {experiment.key for experiment in experiments(tmp_path / "z")}
    assert len(keys) == 2


def test_who_proposed_a_recipe_makes_it_no_other_one():
    assert Recipe("long", "ours", 2, 48) == Recipe("long", "somebody", 2, 48)


def test_finished_seeds_are_averaged_and_all_while_none_is_finished(tmp_path):
    make_run(tmp_path, "cifar", SHORT, seed=0, until=2, retrained=None)
    (experiment,) = experiments(tmp_path)
    assert (len(experiment.averaged), experiment.unfinished) == (1, (0,))
    make_run(tmp_path, "cifar", SHORT, seed=1)
    (experiment,) = experiments(tmp_path)
    assert ([run.seed for run in experiment.averaged], experiment.unfinished) == ([1], (0,))
