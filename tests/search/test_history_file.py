import h5py
import numpy as np
import pytest
from fake import make_stage

from emtnas_hpc.checkpoint.paths import HISTORY
from emtnas_hpc.errors import DamagedError
from emtnas_hpc.search.history_file import (
    history_differences,
    read_history,
    write_history,
)

pytestmark = pytest.mark.slow


def never() -> bool:
    return False


@pytest.fixture
def history():
    stage = make_stage(n_tasks=3, generations=6, true_fitness_every=2)
    history = stage.start()
    for _generation in range(6):
        history = stage.advance(history, never)
    return history


@pytest.fixture
def file(history, tmp_path):
    write_history(history, tmp_path / HISTORY)
    return tmp_path / HISTORY


def test_a_history_comes_back_as_it_was(history, file):
    again = read_history(file)
    assert again.header == history.header
    assert again.individuals == history.individuals
    assert again.n_steps == history.n_steps
    assert again.population == history.population
    # repr, because nan (a true fitness that was not due) is not equal to itself.
    assert repr(again.generations) == repr(history.generations)


def test_the_tables_have_the_documented_names(file):
    with h5py.File(file) as stored:
        assert set(stored) == {"individuals", "population", "generations"}
        assert set(stored["individuals"]) == {
            "id", "generation", "skill_factor", "chromosome", "operator", "parent_a", "parent_b",
            "parent_of_record", "sampled_accuracy", "parent_fitness", "fitness", "clone_of",
            "n_steps",
        }  # fmt: skip
        assert set(stored["population"]) == {"id", "skill_factor", "fitness"}
        assert set(stored["generations"]) == {
            "generation", "population", "fitness", "n_pairs", "n_transfers", "fittest",
            "true_fitness", "incumbent", "train_loss", "train_accuracy", "learning_rate",
            "n_steps", "mean_parameters", "mean_macs", "seconds_training", "seconds_evaluation",
            "seconds_search", "seconds_true_fitness",
        }  # fmt: skip
        assert stored["individuals/chromosome"].shape == (120, 40)
        assert stored["generations/true_fitness"].shape == (6, 3)
        assert stored.attrs["schema_version"] == 1
        assert stored.attrs["generation"] == 6


def test_ids_are_the_row_numbers(file):
    with h5py.File(file) as stored:
        np.testing.assert_array_equal(stored["individuals/id"], np.arange(120))


def test_three_hundred_generations_take_less_than_two_megabytes(tmp_path):
    stage = make_stage(n_tasks=2, generations=300)
    history = stage.start()
    for _generation in range(300):
        history = stage.advance(history, never)
    write_history(history, tmp_path / HISTORY)
    assert (tmp_path / HISTORY).stat().st_size < 2_000_000


def test_a_history_before_the_first_generation_can_be_stored(tmp_path):
    write_history(make_stage().start(), tmp_path / HISTORY)
    assert read_history(tmp_path / HISTORY).generation == 0


@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_a_damaged_file_is_named(file, damage):
    content = file.read_bytes()
    file.write_bytes({"cut": content[:3000], "noise": bytes(4000), "empty": b""}[damage])
    with pytest.raises(DamagedError, match=r"state\.h5 cannot be read as the history"):
        read_history(file)


def test_a_file_of_another_schema_is_refused(file):
    with h5py.File(file, "a") as stored:
        stored.attrs["schema_version"] = 99
    with pytest.raises(DamagedError, match="schema 99, this version reads 1"):
        read_history(file)


def test_a_file_that_is_gone_is_not_called_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_history(tmp_path / HISTORY)


def changed(file, tmp_path, change):
    other = tmp_path / "other.h5"
    other.write_bytes(file.read_bytes())
    with h5py.File(other, "a") as stored:
        change(stored)
    return list(history_differences(file, other))


def test_equal_histories_have_no_differences(file, tmp_path):
    assert changed(file, tmp_path, lambda _stored: None) == []


def test_wall_clocks_and_the_name_may_differ(file, tmp_path):
    def change(stored):
        stored["generations/seconds_training"][0, 0] = 77.0
        stored.attrs["name"] = "another"

    assert changed(file, tmp_path, change) == []


def test_one_changed_number_is_named_with_its_place(file, tmp_path):
    def change(stored):
        stored["individuals/fitness"][17] = 0.5

    (difference,) = changed(file, tmp_path, change)
    assert difference.startswith("state.h5: individuals/fitness[17] is 0.")
    assert difference.endswith("against 0.5")


def test_zeros_of_different_sign_differ_and_equal_nans_do_not(file, tmp_path):
    def negate(stored):
        stored["individuals/fitness"][17] = -0.0

    with h5py.File(file, "a") as stored:
        stored["individuals/fitness"][17] = 0.0
    (difference,) = changed(file, tmp_path, negate)
    assert difference == "state.h5: individuals/fitness[17] is 0.0 against -0.0"


def test_a_missing_table_column_another_shape_and_another_attribute_are_named(file, tmp_path):
    def change(stored):
        del stored["individuals/clone_of"]
        del stored["population/fitness"]
        stored["population/fitness"] = np.zeros(3)
        stored.attrs["generation"] = 5

    assert changed(file, tmp_path, change) == [
        "state.h5: generation is 6 against 5",
        "state.h5: individuals/clone_of is in one of them only",
        "state.h5: population/fitness is float64[20] against float64[3]",
    ]
