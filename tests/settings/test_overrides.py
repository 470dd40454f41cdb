from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from emtnas_hpc.settings.experiment import Experiment, flatten

Load = Callable[..., Experiment]
Complaint = Callable[..., str]

NAME = "at most 200 letters, digits and _ . + = , - that begin with a letter or digit"

COUNT = "an integer from 1 to 1,000,000"

#: What an override says, and what answers it.
REFUSED = [
    ("search.rmp=1.5", "search.rmp is 1.5, expected a number from 0 to 1"),
    ("search.rmp=-0.1", "search.rmp is -0.1, expected a number from 0 to 1"),
    ("search.rmp=high", "search.rmp is 'high', expected a number from 0 to 1"),
    ("search.rmp=true", "search.rmp is true, expected a number from 0 to 1"),
    ("search.rmp=nan", "search.rmp is nan, expected a finite number from 0 to 1"),
    ("search.rmp=", "search.rmp is '', expected a number from 0 to 1"),
    ("search.generations=0", f"search.generations is 0, expected {COUNT}"),
    ("search.generations=2.5", f"search.generations is 2.5, expected {COUNT}"),
    ("search.generations=[1]", f"search.generations is [1], expected {COUNT}"),
    ("search.reevaluate=1", "search.reevaluate is 1, expected true or false"),
    ("search.fitness=mean", "search.fitness is 'mean', expected 'own' or 'running_mean'"),
    (
        "supernet.dropout=1.0",
        "supernet.dropout is 1.0, expected a number of at least 0 and below 1",
    ),
    ("training.learning_rate=0", "training.learning_rate is 0, expected a number above 0"),
    (
        "training.learning_rate=inf",
        "training.learning_rate is inf, expected a finite number above 0",
    ),
    ("training.batches=0", f"training.batches is 0, expected {COUNT} or 'epoch'"),
    ("training.batches=all", f"training.batches is 'all', expected {COUNT} or 'epoch'"),
    ("training.weight_decay=-1", "training.weight_decay is -1, expected a number of at least 0"),
    (
        "evaluation.recalibration_images=1",
        "evaluation.recalibration_images is 1, expected an integer from 2 to 1,000,000",
    ),
    ("run.keep_commits=1", "run.keep_commits is 1, expected an integer from 2 to 1,000,000"),
    ("task.cifar10.padding=-1", "task.cifar10.padding is -1, expected an integer from 0 to 1,000"),
    ("task.cifar10.std=[0.2, 0.0, 0.2]", "task.cifar10.std.1 is 0.0, expected a number above 0"),
    ("task.cifar10.mean=0.5", "task.cifar10.mean is 0.5, expected a list, each a number"),
    ("task.cifar10.source=3", "task.cifar10.source is 3, expected text"),
    ("task.cifar10=3", "task.cifar10 is 3, expected a table"),
    ("search=3", "search is 3, expected a table"),
    ("retraining=3", "retraining is 3, expected a table"),
    (
        "retraining.recipe=best",
        "retraining.recipe is 'best', expected 'imagenet' or 'long' or 'quick' or "
        "'small' or 'table1'",
    ),
    (
        "retraining.recipe=3",
        "retraining.recipe is 3, expected 'imagenet' or 'long' or 'quick' or 'small' or 'table1'",
    ),
    ("retraining.normal_cells=[0]", f"retraining.normal_cells.0 is 0, expected {COUNT}"),
    (
        "retraining.normal_cells=2",
        f"retraining.normal_cells is 2, expected a list, each {COUNT}",
    ),
    (
        "retraining.normal_cells=[2, 2]",
        "retraining.normal_cells is [2, 2], expected every number once",
    ),
    ("task=3", "task is 3, expected tables such as [task.cifar10]"),
    ("name=.hidden", f"name is '.hidden', expected {NAME}"),
    ("tasks=[]", f"tasks is [], expected a list with at least one entry, each {NAME}"),
    ("tasks=digits", """tasks is 'digits', expected a list such as ["cifar10", "cifar100"]"""),
    ("tasks=[1]", 'tasks is [1], expected a list such as ["cifar10", "cifar100"]'),
    (
        'tasks=["cifar10", "cifar10"]',
        "tasks is ['cifar10', 'cifar10'], expected every data set once",
    ),
    (
        "search.population=1",
        "search.population is 1, expected at least one individual for each of the 2 tasks",
    ),
    ("task.digits.pool=2", "task.digits is set, but the tasks are cifar10, cifar100"),
    ("rmp=0.1", "unknown setting rmp; did you mean search.rmp?"),
    ("search.generation=3", "unknown setting search.generation; did you mean search.generations?"),
    ("training.rmp=0.1", "unknown setting training.rmp; did you mean search.rmp?"),
    (
        "batch_size=4",
        "unknown setting batch_size; did you mean training.batch_size or evaluation.batch_size or "
        "retraining.batch_size?",
    ),
    ("task.cifar10.pol=2", "unknown setting task.cifar10.pol; did you mean task.cifar10.pool?"),
    ("serch.rmp=0.1", "unknown setting serch.rmp; did you mean search.rmp?"),
    ("colour=red", "unknown setting colour; docs/settings.md lists them"),
    ("search.rmp", "'search.rmp' sets nothing, expected section.setting=value"),
    ("=3", "'=3' sets nothing, expected section.setting=value"),
]


def test_an_override_is_read_as_toml_and_a_bare_word_as_text(load: Load) -> None:
    settings = flatten(
        load(
            "cifar",
            "search.rmp=0.1",
            "search.reevaluate=false",
            "search.mutation=step",
            'search.fitness="running_mean"',
            " training.batches = 7 ",
            "task.cifar10.mean=[0.1, 0.2, 0.3]",
        )
    )
    assert settings["search.rmp"] == 0.1
    assert settings["search.reevaluate"] is False
    assert settings["search.mutation"] == "step"
    assert settings["search.fitness"] == "running_mean"
    assert settings["training.batches"] == 7
    assert settings["task.cifar10.mean"] == [0.1, 0.2, 0.3]


def test_the_last_of_two_overrides_of_a_setting_counts(load: Load) -> None:
    assert load("cifar", "search.rmp=0.1", "search.rmp=0.2").search.rmp == 0.2


def test_other_tasks_take_their_settings_from_the_registry(load: Load) -> None:
    experiment = load("cifar", 'tasks=["digits"]')
    assert list(experiment.task) == ["digits"]
    assert experiment.task["digits"].source == "package:digits"
    assert experiment.task["digits"].padding == 2


def test_a_preset_s_own_table_of_a_task_that_is_dropped_is_dropped_too(load: Load) -> None:
    assert list(load("quickstart", 'tasks=["digits"]').task) == ["digits"]


def test_overrides_of_a_new_task_may_come_in_any_order(load: Load) -> None:
    first = load("cifar", "task.digits.padding=0", 'tasks=["digits"]')
    assert first == load("cifar", 'tasks=["digits"]', "task.digits.padding=0")
    assert first.task["digits"].padding == 0


def test_a_user_s_own_data_set_needs_a_source_only(load: Load) -> None:
    experiment = load("cifar", 'tasks=["mine"]', "task.mine.source=npz:/data/mine.npz")
    assert experiment.task["mine"].source == "npz:/data/mine.npz"
    assert experiment.task["mine"].padding == 0


def test_settings_cannot_be_changed_once_they_are_loaded(load: Load) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load("cifar").search.rmp = 0.5  # type: ignore[misc]


@pytest.mark.parametrize(("override", "message"), REFUSED)
def test_a_bad_override_is_answered_in_one_line(
    complaint: Complaint, override: str, message: str
) -> None:
    assert complaint("cifar", override) == message


def test_an_unknown_data_set_is_answered_with_those_that_are_known(complaint: Complaint) -> None:
    message = complaint("cifar", 'tasks=["cifar"]')
    assert message.startswith("unknown data set 'cifar'; known are: bloodmnist, breastmnist, ")
    assert message.endswith("; or give task.cifar.source (npz:FILE or images:DIR)")


def test_a_file_without_tasks_is_told_what_is_missing(complaint: Complaint, tmp_path: Path) -> None:
    file = tmp_path / "empty.toml"
    file.write_text("")
    assert complaint(str(file)) == (
        "tasks is missing; set it in the TOML file or with --set tasks=..."
    )
