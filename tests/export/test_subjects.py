"""What an exported module says of where it comes from."""

import numpy as np
import pytest

from emtnas_hpc.errors import InputError
from emtnas_hpc.export.files import preface
from emtnas_hpc.export.spec import (
    ExportSpec,
    Normalisation,
    incumbent_spec,
    retrained_spec,
    retrainings_of,
)
from emtnas_hpc.search.history_file import FILE_NAME, read_history
from emtnas_hpc.space.architecture import NetworkShape, decode, random_chromosome


@pytest.fixture
def retrained(whole):
    return next(each for each in retrainings_of(whole) if each.name.startswith("digits-n2"))


@pytest.fixture
def history(whole):
    return read_history(whole.stage("search").commit(2) / FILE_NAME)


def test_of_a_retrained_network_run_task_recipe_and_verdict_are_told(retrained):
    spec = retrained_spec(retrained)
    text, record = preface(spec), retrained.record
    assert "tiny, seed 0\n" in text
    assert f"digits, individual {record.header.individual} of the search\n" in text
    assert f"digits: {record.header.n_training:,} images, 1 epoch\n" in text
    assert f"{record.header.recipe} (ours: the quickstart)" in text
    assert f"accuracy {100 * record.test.accuracy:.2f} %, top-5 " in text
    assert f"{record.parameters_in_use:,}; {record.parameters:,} if the output slices" in text
    assert f"{record.macs:,} MACs" in text


def test_its_normalisation_is_that_of_the_retraining(retrained):
    assert retrained_spec(retrained).normalisation == Normalisation((0.5,), (0.5,), 1)


def test_settings_that_cannot_be_read_are_named(copied):
    retrained = retrainings_of(copied)[0]
    retrained.stage.identity.write_text("[identity]\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"retraining\.toml is not the retraining\.toml of a"):
        retrained_spec(retrained)


def test_of_an_incumbent_generation_and_true_fitness_are_told(history):
    spec = incumbent_spec(history, 0, None)
    text = preface(spec)
    assert "generation 2 of 2" in text
    assert f"{100 * history.best_true_fitness(0):.2f} % of the validation images" in text
    assert "The network has not been trained." in text
    assert spec.normalisation is None


def test_of_an_architecture_from_elsewhere_nothing_is_told_but_what_it_costs():
    shape = NetworkShape(4, 1, 3, 32, 10)
    spec = ExportSpec(
        name="network",
        architecture=decode(random_chromosome(np.random.default_rng(0))),
        shape=shape,
    )
    assert spec.facts == ()
    assert "C = 4, N = 1" in preface(spec)


def test_a_name_that_python_cannot_import_is_refused(retrained):
    spec = retrained_spec(retrained)
    assert spec.renamed("my_network").name == "my_network"
    with pytest.raises(InputError, match=r"'my-network', expected one .* such as my_network"):
        spec.renamed("my-network")
