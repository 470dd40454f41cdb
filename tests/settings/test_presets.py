from collections.abc import Callable
from pathlib import Path

import pytest

from emtnas_hpc.settings.experiment import Experiment, flatten
from emtnas_hpc.settings.names import StoredExperiment, dump_stored, rename
from emtnas_hpc.settings.presets import preset_names

Load = Callable[..., Experiment]
Complaint = Callable[..., str]

PATH, ORGAN_A, ORGAN_C, ORGAN_S = "pathmnist", "organamnist", "organcmnist", "organsmnist"

TABLE_2 = [
    (PATH, ORGAN_A),
    (PATH, ORGAN_C),
    (PATH, ORGAN_S),
    (ORGAN_A, ORGAN_C),
    (ORGAN_A, ORGAN_S),
    (ORGAN_C, ORGAN_S),
    (ORGAN_A, ORGAN_C, ORGAN_S),
    (PATH, ORGAN_C, ORGAN_S),
    (PATH, ORGAN_A, ORGAN_S),
    (PATH, ORGAN_A, ORGAN_C),
    (PATH, ORGAN_A, ORGAN_C, ORGAN_S),
]

TABLE_1 = {
    "tasks": ["cifar10", "cifar100"],
    "search.generations": 300,
    "search.population": 20,
    "search.rmp": 0.3,
    "search.crossover_probability": 1.0,
    "search.mutation_probability": 0.02,
    "search.reevaluate": True,
    "search.fitness": "own",
    "search.mutation_only_child": "parent",
    "search.mutation": "redraw",
    "search.true_fitness_every": 1,
    "supernet.channels": 20,
    "supernet.normal_cells": 1,
    "supernet.dropout": 0.1,
    "supernet.drop_path": 0.0,
    "training.batch_size": 128,
    "training.batches": "epoch",
    "training.learning_rate": 0.1,
    "training.momentum": 0.9,
    "training.nesterov": True,
    "training.weight_decay": 1e-4,
    "evaluation.batch_size": 1000,
    "evaluation.mini_batch": "own",
    "evaluation.batch_norm": "recalibrated",
    "evaluation.recalibration_images": 250,
    "evaluation.validation_images": "plain",
}

DEPARTURES = {
    "name": "cifar-authors",
    "search.fitness": "running_mean",
    "search.mutation_only_child": "coin",
    "search.mutation": "step",
    "supernet.drop_path": 0.1,
    "evaluation.validation_images": "augmented",
    "evaluation.batch_norm": "running",
    "task.cifar10.validation_split": "first",
    "task.cifar100.validation_split": "first",
}


def _by_tasks(load: Load, *, reevaluate: bool) -> dict[tuple[str, ...], Experiment]:
    """The presets of the paper's searches, by their tasks."""
    papers = (name for name in preset_names() if not name.startswith(("cifar-authors", "small")))
    presets = map(load, papers)
    return {
        experiment.tasks: experiment
        for experiment in presets
        if experiment.search.reevaluate is reevaluate
    }


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_under_its_own_name(load: Load, name: str) -> None:
    assert load(name).name == name


def test_cifar_is_table_1_value_by_value(load: Load) -> None:
    settings = flatten(load("cifar"))
    assert {name: settings[name] for name in TABLE_1} == TABLE_1


def test_cifar_is_augmented_and_normalised_as_in_the_authors_code(load: Load) -> None:
    for task in load("cifar").task.values():
        assert (task.padding, task.flip) == (4, True)
        assert [round(255 * value, 3) for value in task.mean] == [125.3, 123.0, 113.9]
        assert [round(255 * value, 3) for value in task.std] == [63.0, 62.1, 66.7]


def test_cifar_authors_sets_the_departures_and_nothing_else(load: Load) -> None:
    paper, authors = flatten(load("cifar")), flatten(load("cifar-authors"))
    assert {
        name: authors[name] for name in authors if authors[name] != paper.get(name)
    } == DEPARTURES
    assert authors["supernet.drop_path_from"] == 51


@pytest.mark.parametrize("tasks", TABLE_2, ids="+".join)
def test_every_combination_of_table_2_is_a_preset(load: Load, tasks: tuple[str, ...]) -> None:
    experiment = _by_tasks(load, reevaluate=True)[tasks]
    assert experiment.supernet.channels == 48
    assert experiment.search.generations == 100
    assert experiment.search.population == 20
    assert experiment.search.rmp == 0.3


@pytest.mark.parametrize("task", [PATH, ORGAN_A, ORGAN_C, ORGAN_S, "cifar10", "cifar100"])
def test_every_single_tasking_baseline_has_the_whole_population_and_no_reevaluation(
    load: Load, task: str
) -> None:
    experiment = _by_tasks(load, reevaluate=False)[(task,)]
    multi = load("cifar") if "cifar" in task else load("medmnist-path-organa-organc-organs")
    same = {"search.reevaluate": True, "name": multi.name, "tasks": list(multi.tasks)}
    expected = {
        name: value
        for name, value in flatten(multi).items()
        if not name.startswith("task.") or name.split(".")[1] == task
    }
    assert flatten(experiment) | same == expected


def test_an_own_file_extends_a_preset(load: Load, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('extends = "cifar"\n[search]\nrmp = 0.1\n')
    experiment = load(str(file))
    assert experiment.name == "mine"
    assert experiment.search.rmp == 0.1
    assert experiment.search.generations == 300


def test_an_own_file_may_have_the_name_of_the_preset_that_it_extends(
    load: Load, tmp_path: Path
) -> None:
    file = tmp_path / "cifar.toml"
    file.write_text('extends = "cifar"\nthreads = 2\n')
    assert load(str(file)).threads == 2


def test_a_file_that_drops_a_task_drops_what_its_preset_says_of_it(
    load: Load, tmp_path: Path
) -> None:
    file = tmp_path / "one.toml"
    file.write_text('extends = "quickstart"\ntasks = ["digits"]\n')
    experiment = load(str(file))
    assert list(experiment.task) == ["digits"]
    assert experiment.task["digits"].padding == 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("cifra", "did you mean cifar? "),
        (
            "cifar1-single",
            "did you mean cifar10-single or cifar100-single or small-cifar10-single? ",
        ),
        ("tabel5", "did you mean table5 or table6 or table3? "),
    ],
)
def test_an_unknown_preset_is_refused_with_the_closest_and_where_all_are_listed(
    complaint: Complaint, name: str, hint: str
) -> None:
    assert complaint(name) == (
        f"no preset, study or TOML file {name!r}; {hint}docs/settings.md lists what there is"
    )


def test_a_file_that_is_missing_is_named_with_where_it_was_looked_for(complaint: Complaint) -> None:
    assert complaint("x.toml") == (
        f"no preset, study or TOML file 'x.toml', looked for {Path.cwd()}/x.toml; "
        "docs/settings.md lists what there is"
    )


def test_the_experiment_that_a_run_has_stored_is_one_to_load(load: Load, tmp_path: Path) -> None:
    asked = rename(load("quickstart", "search.rmp=0.1"), "mine")
    file = tmp_path / "experiment.toml"
    digests = dict.fromkeys(asked.tasks, "d")
    file.write_text(dump_stored(StoredExperiment(asked, 3, digests, {"search": "s"})))
    assert load(str(file)) == asked
    assert load(str(file), "search.rmp=0.2").search.rmp == 0.2


@pytest.mark.parametrize("base", ['"nowhere"', "3", '["cifar"]'])
def test_a_base_that_is_no_preset_is_refused(
    complaint: Complaint, tmp_path: Path, base: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f"extends = {base}\n")
    shown = base.replace('"', "'")
    assert complaint(str(file)) == (
        f"{file}: extends is {shown}, expected the name of another preset"
    )


@pytest.mark.parametrize("content", [b"tasks = [", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_named(
    complaint: Complaint, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "broken.toml"
    file.write_bytes(content)
    assert complaint(str(file)).startswith(f"{file} is not valid TOML: ")


def test_a_folder_is_no_experiment(complaint: Complaint, tmp_path: Path) -> None:
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    assert complaint(str(folder)) == f"{folder} cannot be read: Is a directory"
