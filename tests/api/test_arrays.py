"""The history as arrays."""

from dataclasses import fields

import h5py
import numpy as np
import pytest

from emtnas_hpc.search.history_arrays import Generations, Individuals

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "kind"), [("individuals", Individuals), ("generations", Generations)]
)
def test_the_arrays_are_the_columns_of_the_file(loaded, whole, name, kind):
    table = getattr(loaded.history, name)
    with h5py.File(whole / "search" / "000002" / "state.h5") as file:
        assert {field.name for field in fields(kind)} == set(file[name])
        for column, values in file[name].items():
            array = getattr(table, column)
            assert array.dtype == values.dtype
            np.testing.assert_array_equal(array, values[()])


def test_they_have_the_shapes_that_are_documented(loaded):
    individuals, generations = loaded.history.individuals, loaded.history.generations
    n = len(individuals.id)
    assert individuals.chromosome.shape == (n, 40)
    assert generations.population.shape == generations.fitness.shape == (2, 4)
    assert generations.true_fitness.shape == generations.seconds_search.shape == (2, 2)


def test_they_cannot_be_written_to(loaded):
    with pytest.raises(ValueError, match="read-only"):
        loaded.history.individuals.fitness[0] = 1.0


def test_they_are_read_once(loaded):
    assert loaded.history is loaded.history
