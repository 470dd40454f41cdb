from fake_runs import SHORT, Retrained, make_run

from emtnas_hpc.report.experiments import Recipe, group
from emtnas_hpc.report.rows import Kind, RowSpec
from emtnas_hpc.report.runs import read_runs

CIFAR = frozenset({"cifar10", "cifar100"})


def grouping(runs):
    return group(read_runs(sorted(runs.glob("*/seed-*"))).runs)


def test_seeds_of_one_signature_are_an_experiment_and_what_tables_compare_a_family(ablation):
    (family,) = grouping(ablation).families
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
    (family,) = grouping(tmp_path).families
    assert len(family.experiments) == 1
    assert len(family.others) == 1


def test_one_more_setting_is_another_family_and_threads_are_not(tmp_path):
    make_run(tmp_path, "cifar", SHORT)
    make_run(tmp_path, "cifar10-single", SHORT, "threads=2")
    make_run(tmp_path, "cifar100-single", SHORT, "training.learning_rate=0.2")
    sizes = [len(family.experiments) for family in grouping(tmp_path).families]
    assert sizes == [2, 1]


def test_of_two_experiments_for_one_row_the_one_with_more_finished_seeds_counts(tmp_path):
    for seed in range(2):
        make_run(tmp_path, "cifar", SHORT, "task.cifar10.flip=false", seed=seed, name="z")
        until = 2 if seed else None
        make_run(tmp_path, "cifar", SHORT, seed=seed, until=until, retrained=None)
    (family,) = grouping(tmp_path).families
    (experiment,) = family.experiments.values()
    assert experiment.name == "z"
    assert [other.name for other in family.others] == ["cifar"]


def test_runs_without_settings_are_in_no_family(tmp_path):
    directory = make_run(tmp_path, "cifar", SHORT)
    (directory / "experiment.toml").unlink()
    found = grouping(tmp_path)
    assert found.families == ()
    assert [experiment.name for experiment in found.unknown] == ["cifar"]


def test_an_experiment_knows_its_recipes(tmp_path):
    make_run(tmp_path, "cifar", SHORT, seed=0, retrained=Retrained((2, 3)))
    make_run(tmp_path, "cifar", SHORT, seed=1, retrained=Retrained(recipe="table1"))
    (family,) = grouping(tmp_path).families
    (experiment,) = family.experiments.values()
    origin = "ours: the paper gives no recipe"
    assert experiment.recipes == {Recipe("long", origin, 2, 48), Recipe("table1", origin, 2, 48)}


def test_a_row_asks_for_one_joint_experiment_or_for_one_a_task():
    joint = RowSpec(("a", "b"), joint=True, reevaluate=True, rmp=0.1)
    assert joint.kinds == (Kind(frozenset("ab"), True, 0.1),)
    assert joint.baseline.kinds == (
        Kind(frozenset("a"), False, None),
        Kind(frozenset("b"), False, None),
    )
    assert (joint.is_baseline, joint.baseline.is_baseline) == (False, True)
    assert joint.key == "a+b joint rmp=0.1 reevaluated n2"
