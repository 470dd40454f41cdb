import json
import shutil

import pytest
from fake_runs import SHORT, Retrained, make_run

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.report.load import read_runs
from emtnas_hpc.report.specs import open_choices, paper_images
from emtnas_hpc.report.tables import build_tables
from emtnas_hpc.runner.attempts import Attempt
from emtnas_hpc.settings.experiment import show
from emtnas_hpc.settings.messages import settings_schema
from emtnas_hpc.settings.presets import preset_names


def notes_of(runs, numbers=(3,)):
    found = read_runs(sorted(runs.glob("*/seed-*")))
    (table,) = build_tables(found.runs, numbers)
    return table.notes


def starting(notes, *begins):
    return [note for note in notes if note.startswith(begins)]


def test_a_table_says_what_its_numbers_are(ablation):
    notes = notes_of(ablation, (5,))
    for begin in ("Mean ±", "Retrained with recipe long", "* p < 0.05", "paper: ", "Params: "):
        assert len(starting(notes, begin)) == 1, begin
    for begin in ("Time: ", "Mean params and MACs: ", "Transfer: ", "The same in the search's"):
        assert len(starting(notes, begin)) == 1, begin
    (text,) = starting(notes, "Params, slices in use only: ")
    assert "only: row 1 C-10 1." in text
    (size,) = starting(notes, "Mean params and MACs are of networks")
    assert "48 channels and N = 2; the paper calls its own FLOPs" in size


def test_settings_that_differ_from_the_papers_are_named_with_both_values(tmp_path):
    make_run(tmp_path, "cifar", SHORT, "supernet.channels=8")
    (note,) = starting(notes_of(tmp_path), "Settings differ")
    assert note == (
        "Settings differ from the paper's: search.generations 3 (paper: 300), "
        "supernet.channels 8 (paper: 20)."
    )


def test_other_images_under_the_papers_name_are_named(tmp_path):
    make_run(tmp_path, "cifar", SHORT, "task.cifar10.source=npz:/some/where/tiny.npz")
    assert "Not the paper's data: cifar10 was read from npz:tiny.npz." in notes_of(tmp_path)


def test_rows_whose_tasks_are_set_otherwise_say_so(tmp_path):
    make_run(tmp_path, "cifar", SHORT)
    make_run(tmp_path, "cifar10-single", SHORT, "task.cifar10.padding=2")
    notes = notes_of(tmp_path)
    assert "Between rows, task.cifar10.padding differ: 2 (cifar10-single); 4 (cifar)." in notes


def test_long_settings_that_begin_alike_differ(tmp_path):
    begin = "0.24705882352941178, 0.24352941176470588"
    for preset, last in (("cifar", 0.022687284882248027), ("cifar10-single", 0.025101380514788434)):
        text = f"[{begin}, {last}]"
        assert len(text) == 64
        make_run(tmp_path, preset, SHORT, f"task.cifar10.std={text}")
    (note,) = starting(notes_of(tmp_path), "Between rows, task.cifar10.std")
    assert "0.022687284882248027 (cifar)" in note


def test_experiments_of_one_name_are_told_apart(tmp_path):
    make_run(tmp_path / "a", "cifar", SHORT, seed=0)
    make_run(tmp_path / "a", "cifar", SHORT, seed=1)
    make_run(tmp_path / "b", "cifar", SHORT, "task.cifar10.padding=2", until=2, retrained=None)
    found = read_runs(sorted(tmp_path.glob("*/*/seed-*")))
    (table,) = build_tables(found.runs, (3,))
    (note,) = starting(table.notes, "Also there")
    assert "another experiment fills: cifar (settings " in note


def test_mixed_hardware_and_versions_are_said_with_their_seeds(tmp_path):
    make_run(tmp_path, "cifar", SHORT, seed=0)
    make_run(tmp_path, "cifar", SHORT, seed=1, device_model="Other CPU", torch="2.10.0")
    notes = notes_of(tmp_path)
    assert starting(notes, "Mixed") == [
        "Mixed hardware; times do not compare: Fake CPU (cifar seed 0); Other CPU (cifar seed 1).",
        "Mixed torch: 2.10.0 (cifar seed 1); 2.9.0 (cifar seed 0).",
    ]


def test_several_seeds_of_one_hardware_are_listed(tmp_path):
    for seed in range(3):
        make_run(tmp_path, "cifar", SHORT, seed=seed, device_model=f"CPU {seed // 2}")
    assert starting(notes_of(tmp_path), "Mixed") == [
        "Mixed hardware; times do not compare: CPU 0 (cifar seeds 0, 1); CPU 1 (cifar seed 2)."
    ]


def test_one_kind_of_hardware_needs_no_word(ablation):
    assert starting(notes_of(ablation), "Mixed", "Equal bits") == []


def test_searches_and_retrainings_that_are_not_over_are_named(tmp_path):
    make_run(tmp_path, "cifar", SHORT, seed=0, retrained=Retrained(epochs=1))
    make_run(tmp_path, "cifar", SHORT, seed=1, until=2, retrained=None)
    (note,) = starting(notes_of(tmp_path), "Not finished")
    assert note == (
        "Not finished and left out: cifar seed 0 (cifar10, N = 2, epoch 1 of 2), cifar seed 0 "
        "(cifar100, N = 2, epoch 1 of 2), cifar seed 1 (search, generation 2 of 3)."
    )


def test_what_was_retrained_before_the_search_was_over_is_left_out_and_named(tmp_path):
    runs, early = tmp_path / "runs", tmp_path / "early"
    settings = ("search.generations=8", "search.population=6")
    full = make_run(runs, "cifar", *settings, retrained=None)
    cut = make_run(early, "cifar", *settings, until=1)
    shutil.copytree(cut / "retraining", full / "retraining")
    notes = notes_of(runs)
    (note,) = starting(notes, "Left out, because the search went on")
    assert "cifar seed 0" in note
    found = read_runs([full])
    (table,) = build_tables(found.runs, (3,))
    changed = note.count("cifar seed 0")
    filled = sum(row.cells[i].estimate is not None for row in table.rows for i in (2, 4))
    assert changed + filled == 2


def test_an_experiment_that_stands_back_for_another_is_named(tmp_path):
    make_run(tmp_path, "cifar", SHORT, seed=0)
    make_run(tmp_path, "cifar", SHORT, seed=1)
    make_run(tmp_path, "cifar", SHORT, "task.cifar10.padding=2", name="padded")
    notes = notes_of(tmp_path)
    assert starting(notes, "Also there") == [
        "Also there, for rows that another experiment fills: padded; name the runs to choose."
    ]


def test_a_supernets_accuracy_is_called_so_with_its_batch_norm_mode(tmp_path):
    make_run(tmp_path, "cifar", SHORT, "evaluation.batch_norm=running", "search.rmp=0.1")
    (note,) = starting(notes_of(tmp_path, (6,)), "Supernet validation")
    assert note.endswith("never which is better.")
    assert "Validated with batch norm running." in notes_of(tmp_path, (6,))


PAPER = [n for n in preset_names() if n.startswith(("cifar", "medmnist")) and n != "cifar-authors"]


@pytest.mark.parametrize("preset", PAPER)
def test_a_preset_of_a_table_of_the_paper_differs_from_it_in_nothing(tmp_path, preset):
    make_run(tmp_path, preset, SHORT)
    notes = notes_of(tmp_path, (2,) if preset.startswith("medmnist") else (3,))
    (note,) = starting(notes, "Settings differ")
    assert note.count("(paper: ") == 1
    assert "search.generations 3" in note
    assert starting(notes, "Images are not") == []


def test_what_the_authors_code_does_otherwise_is_named(tmp_path):
    make_run(tmp_path, "cifar-authors", SHORT)
    (note,) = starting(notes_of(tmp_path), "Settings differ")
    for said in (
        "search.fitness running_mean (paper: own)",
        "search.mutation_only_child coin (paper: parent)",
        "evaluation.validation_images augmented (paper: plain)",
    ):
        assert said in note


SILENT = " (the paper does not say)."
CHOICES = [
    "Clones: the youngest stands",
    "Roulette wheel: every task has the same weight",
    "Mutation: a gene is drawn anew from all its values",
    "Drop path in the search: none",
    "Momentum in the search: Nesterov's",
    "Batch norm of an individual: recalibrated statistics",
    "Retrained on: training and validation images",
]


def choices(notes):
    return [note.removesuffix(SILENT) for note in notes if note.endswith(SILENT)]


def test_what_the_paper_leaves_open_is_said_in_one_line_a_choice(tmp_path):
    make_run(tmp_path, "cifar", SHORT)
    assert choices(notes_of(tmp_path)) == CHOICES


def test_what_was_chosen_otherwise_is_said_in_its_place(tmp_path):
    other = (
        *("search.clones=fittest", "search.wheel=raw_fitness", "search.mutation=other"),
        *("supernet.drop_path=0.1", "training.nesterov=false", "evaluation.batch_norm=running"),
    )
    recipe = Retrained(recipe="long+training_images=train")
    make_run(tmp_path, "cifar", SHORT, *other, retrained=recipe)
    notes = notes_of(tmp_path)
    assert choices(notes) == [
        "Clones: the fittest stands",
        "Roulette wheel: an individual weighs its fitness, whatever its task",
        "Mutation: a gene is drawn from its other values",
        "Drop path in the search: 0.1",
        "Momentum in the search: plain",
        "Batch norm of an individual: running statistics of the supernet",
        "Retrained on: training images",
    ]
    (note,) = starting(notes, "Retrained with")
    assert note.endswith(
        ", on the training images alone; the test set is read once, after the last epoch."
    )


def test_a_choice_that_makes_no_difference_is_not_said(tmp_path):
    make_run(tmp_path / "one", "cifar10-single", SHORT, retrained=None)
    without = [CHOICES[0], *CHOICES[2:-1]]
    assert choices(notes_of(tmp_path / "one")) == without
    make_run(tmp_path / "random", "cifar-random", SHORT, "search.mutation_probability=0.1")
    notes = notes_of(tmp_path / "random")
    assert choices(notes) == [CHOICES[0], *CHOICES[3:]]
    (note,) = starting(notes, "Settings differ")
    assert note == "Settings differ from the paper's: search.generations 3 (paper: 300)."


def test_other_experiments_say_their_choices_too_with_all_that_were_made(tmp_path):
    for clones, population in (("youngest", 10), ("fittest", 20)):
        settings = (SHORT, f"search.clones={clones}", f"search.population={population}")
        make_run(tmp_path, "quickstart", *settings, name=clones, retrained=Retrained((1,)))
    runs = read_runs(sorted(tmp_path.glob("*/seed-*"))).runs
    (table,) = (table for table in build_tables(runs) if table.key == "other")
    found = choices(table.notes)
    assert found[:2] == ["Clones: the fittest stands / the youngest stands", CHOICES[1]]
    assert found[-1] == CHOICES[-1]


def test_every_value_of_an_open_choice_has_its_words():
    schema = dict(settings_schema())
    for name, words in open_choices().items():
        values = schema[name].get("enum", [schema[name]["default"]])
        assert {show(value) for value in values} <= set(words), name


def test_that_the_images_of_an_evaluation_were_common_differs_from_the_paper(tmp_path):
    make_run(tmp_path, "cifar", SHORT, "evaluation.mini_batch=common")
    (note,) = starting(notes_of(tmp_path), "Settings differ")
    assert "evaluation.mini_batch common (paper: own)" in note


@pytest.mark.parametrize("pair", [("a", "b"), ("cifar5", "fashionmnist")])
def test_settings_differ_from_the_papers_for_data_sets_of_ones_own_too(tmp_path, pair):
    for tasks in (pair, pair[:1], pair[1:]):
        settings = [f"task.{task}.source=npz:{task}.npz" for task in tasks]
        settings += ["search.mutation_probability=0.1", f"tasks={json.dumps(tasks)}"]
        settings += ["search.reevaluate=false"] * (len(tasks) == 1)
        make_run(tmp_path, "cifar", SHORT, *settings, name="-".join(tasks))
    found = read_runs(sorted(tmp_path.glob("*/seed-*")))
    (table, *_) = build_tables(found.runs)
    # Table 1 has generations and channels for CIFAR and for MedMNIST only.
    assert starting(table.notes, "Settings differ") == [
        "Settings differ from the paper's: search.mutation_probability 0.1 (paper: 0.02)."
    ]
    assert choices(table.notes) == CHOICES


def test_the_papers_images_are_treated_as_the_registry_has_them():
    names = ("cifar10", "cifar100", "pathmnist", "organamnist", "organcmnist", "organsmnist")
    for name in names:
        known = REGISTRY[name].model_dump(mode="json")
        assert paper_images(name) == {setting: known[setting] for setting in paper_images(name)}
        assert set(paper_images(name)) == {"pool", "padding", "flip", "mean", "std"}


def test_images_that_are_treated_otherwise_are_named(tmp_path):
    make_run(tmp_path, "cifar", SHORT, "task.cifar10.pool=2")
    (note,) = starting(notes_of(tmp_path), "Images are not")
    assert note == ("Images are not treated as the paper's: task.cifar10.pool 2 (expected: 1).")


def test_in_a_study_of_ones_own_too_with_the_experiment_that_treats_them_otherwise(tmp_path):
    make_run(tmp_path, "small-cifar", SHORT)
    make_run(tmp_path, "small-cifar", SHORT, "search.rmp=0", "task.cifar10.pool=2", name="other")
    tables = build_tables(read_runs(sorted(tmp_path.glob("*/seed-*"))).runs)
    notes = {note for table in tables for note in starting(table.notes, "Images are not")}
    assert notes == {
        "Images are not treated as the paper's: task.cifar10.pool 2 (other; expected: 1)."
    }


def test_a_retraining_on_other_hardware_says_nothing_of_the_searches(tmp_path):
    for seed in range(2):
        directory = make_run(tmp_path, "cifar", SHORT, seed=seed)
    with Attempt(RunPaths(directory), "later", {"device_model": "V100"}) as attempt:
        attempt.event("committed", stage="retraining/cifar10-n2-long", step=2)
    notes = notes_of(tmp_path)
    assert starting(notes, "Mixed") == []
    assert starting(notes, "Retrainings, mixed") == [
        "Retrainings, mixed hardware: Fake CPU (cifar seed 0, cifar seed 1); V100 (cifar seed 1)."
    ]
    assert starting(notes, "Equal bits") == [
        "Equal bits are not promised: cifar, seed 1, retraining of cifar10 (N = 2) went on with "
        "device_model Fake CPU -> V100."
    ]


def test_a_trial_retraining_that_is_not_over_makes_no_table_of_its_own(tmp_path):
    make_run(tmp_path, "cifar", SHORT, seed=0)
    trial = Retrained(recipe="quick", epochs=1)
    make_run(tmp_path, "cifar", SHORT, seed=1, retrained=trial)
    found = read_runs(sorted(tmp_path.glob("*/seed-*")))
    assert [table.key for table in build_tables(found.runs, (3,))] == ["table3"]


def test_the_auc_of_medical_images_stands_below_table_2(tmp_path):
    make_run(tmp_path, "medmnist-path-single", SHORT, retrained=Retrained(auc=0.98765))
    (note,) = starting(notes_of(tmp_path, (2,)), "AUC by")
    assert note == (
        "AUC by medmnist's evaluator, mean over seeds: Single-Tasking (Baseline) Path 0.9877."
    )


def test_test_images_count_as_read_once_a_seed_was_tested(tmp_path):
    def images():
        (note,) = starting(notes_of(tmp_path, (2,)), "Images (training")
        return note.partition(": ")[2]

    make_run(tmp_path, "small-breast-pneumonia", SHORT, retrained=Retrained(epochs=1))
    assert images() == "Breast 40,000, 10,000, not read; Pneumonia 40,000, 10,000, not read."
    make_run(tmp_path, "small-breast-pneumonia", SHORT, seed=1)
    assert images() == "Breast 40,000, 10,000, 10,000; Pneumonia 40,000, 10,000, 10,000."
