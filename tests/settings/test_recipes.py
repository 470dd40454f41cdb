from collections.abc import Callable

import pytest

from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.errors import InputError
from emtnas_hpc.settings.experiment import Experiment, RetrainingSettings
from emtnas_hpc.settings.loading import retraining_experiment
from emtnas_hpc.settings.names import recipe_label, retraining_name
from emtnas_hpc.settings.presets import RECIPE_SETTINGS, preset_names, recipe_names, recipe_values

Load = Callable[..., Experiment]

#: What a recipe may not change any more: folders are named after it.
LONG = {
    "channels": 48,
    "epochs": 600,
    "batch_size": 64,
    "learning_rate": 0.025,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 3e-4,
    "dropout": 0.1,
    "drop_path": 0.3,
    "cutout": 16,
    "part_batches": 1000,
}


def test_the_long_recipe_is_what_the_settings_are_by_default(load: Load) -> None:
    assert recipe_values("long") == LONG
    defaults = RetrainingSettings().model_dump(mode="json")
    assert {name: defaults.get(name) for name in RECIPE_SETTINGS} == {
        "training_images": None
    } | LONG
    assert load("cifar").retraining.origin == RetrainingSettings().origin


def test_the_recipe_of_table_1_differs_in_the_optimizer_alone() -> None:
    optimizer = {"batch_size": 128, "learning_rate": 0.1, "weight_decay": 1e-4}
    assert recipe_values("table1") == LONG | optimizer


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_says_its_name_its_origin_and_every_value(load: Load, name: str) -> None:
    settings = load("cifar", f"retraining.recipe={name}").retraining
    assert settings.recipe == name
    assert "ours" in settings.origin
    # A table says of a retraining what it was trained on where its label does.
    assert set(recipe_values(name)) == set(RECIPE_SETTINGS) - {"training_images"}


def test_what_an_experiment_gives_goes_over_its_recipe(load: Load) -> None:
    settings = load("cifar", "retraining.recipe=table1", "retraining.epochs=10").retraining
    assert (settings.learning_rate, settings.epochs) == (0.1, 10)


def test_a_recipe_of_another_version_has_no_values_here() -> None:
    assert recipe_values("of another version") == {}


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_says_how_deep_it_retrains(load: Load, name: str) -> None:
    is_small = name.startswith(("quickstart", "small"))
    depths = (1,) if is_small else (2,) if "medmnist" in name else (2, 3)
    assert load(name).retraining.normal_cells == depths


def test_an_experiment_that_says_nothing_retrains_nothing() -> None:
    assert RetrainingSettings().normal_cells == ()


@pytest.mark.parametrize(
    ("overrides", "label"),
    [
        ([], "long"),
        (["retraining.epochs=600"], "long"),
        (["retraining.epochs=10"], "long+epochs=10"),
        (["retraining.recipe=table1", "retraining.cutout=0"], "table1+cutout=0"),
        (["retraining.origin=me", "retraining.normal_cells=[1]"], "long"),
    ],
)
def test_a_label_shows_what_was_changed_in_the_recipe(
    load: Load, overrides: list[str], label: str
) -> None:
    assert recipe_label(load("cifar", *overrides).retraining) == label


def test_a_long_label_is_cut_and_keeps_apart_what_differs_behind_the_cut(load: Load) -> None:
    many = [f"retraining.{name}={LONG[name] / 3}" for name in ("learning_rate", "weight_decay")]
    labels = [
        recipe_label(load("cifar", *many, f"retraining.part_batches={n}").retraining)
        for n in (1, 2)
    ]
    assert labels[0] != labels[1]
    assert [len(label) for label in labels] == [69, 69]


def test_a_transfer_is_named_after_both_data_sets() -> None:
    assert retraining_name("a", "a", 2, "long") == "a-n2-long"
    assert retraining_name("a", None, 2, "long") == "a-n2-long"
    assert retraining_name("a", "b", 3, "long") == "b-on-a-n3-long"


def test_no_two_retrainings_have_one_name_whatever_their_tasks_are_called() -> None:
    names = ("a", "b", "a-on-b", "on-b", "a-on", "a-n2-x", "a" * 199)
    pairs = [(task, found_on) for task in names for found_on in names]
    made = {retraining_name(*pair, n, label) for pair in pairs for n in (1, 2) for label in "xy"}
    assert len(made) == 4 * len(pairs)
    assert max(map(len, made)) <= 140


def test_settings_of_a_retraining_go_over_those_of_its_run(load: Load) -> None:
    run = load("cifar", "retraining.epochs=10")
    wanted = retraining_experiment(
        run, ["retraining.cutout=0", "task.digits.padding=1"], targets=["digits"], registry=REGISTRY
    )
    assert recipe_label(wanted.retraining) == "long+epochs=10+cutout=0"
    assert wanted.task["digits"].padding == 1
    assert wanted.name == "cifar"


def test_another_recipe_drops_what_the_run_had_put_over_its_own(load: Load) -> None:
    run = load("cifar", "retraining.epochs=10")
    for given in ({"recipe": "table1"}, {"overrides": ["retraining.recipe=table1"]}):
        wanted = retraining_experiment(run, targets=["cifar10"], registry=REGISTRY, **given)
        assert recipe_label(wanted.retraining) == "table1"
        assert wanted.retraining.normal_cells == (2, 3)


def test_another_recipe_keeps_what_no_recipe_says(load: Load) -> None:
    run = load("cifar", "retraining.data_workers=9")
    for overrides, n_workers in (([], 9), (["retraining.data_workers=2"], 2)):
        wanted = retraining_experiment(
            run, overrides, recipe="table1", targets=["cifar10"], registry=REGISTRY
        ).retraining
        assert (wanted.data_workers, wanted.transfer) == (n_workers, ())
        assert wanted.origin == load("cifar", "retraining.recipe=table1").retraining.origin


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.rmp=0.1", "search is set, expected settings of retraining and of task"),
        ("task.digits.pool=2", "task.digits is set, but the tasks are cifar10"),
        ("retraining.epochs=0", "retraining.epochs is 0, expected an integer from 1"),
    ],
)
def test_an_override_that_is_none_of_a_retraining_is_refused(
    load: Load, override: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        retraining_experiment(load("cifar"), [override], targets=["cifar10"], registry=REGISTRY)
