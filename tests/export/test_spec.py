"""Which network of a run is exported, what it is called, and what its module says of it."""

import keyword
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emtnas_hpc.checkpoint.paths import HISTORY, StagePaths
from emtnas_hpc.errors import DamagedError, InputError
from emtnas_hpc.export.files import preface
from emtnas_hpc.export.networks import trained_network
from emtnas_hpc.export.spec import (
    ExportSpec,
    Normalisation,
    Retrained,
    choose,
    incumbent_spec,
    module_name,
    refuse_damaged,
    retrained_spec,
    retrainings_of,
)
from emtnas_hpc.search.history_file import read_history
from emtnas_hpc.space.architecture import NetworkShape, decode, random_chromosome


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("digits-n2-quick", "digits_n2_quick"),
        ("digits-n2-quick+learning_rate=0.1", "digits_n2_quick_learning_rate_0_1"),
        ("3d-shapes-n1-long", "network_3d_shapes_n1_long"),
        ("+", "network"),
        ("_private_", "private"),
    ],
)
def test_a_folder_becomes_a_name_that_python_can_import(text, name):
    assert module_name(text) == name
    assert name.isidentifier()


def test_a_long_name_is_cut_and_stays_one_of_its_kind():
    first, second = module_name("a" * 120), module_name("a" * 121)
    assert first != second
    assert len(first) == len(second) == 64
    assert module_name(first) == first


def test_a_word_of_python_is_no_name():
    assert not keyword.iskeyword(module_name("class"))
    assert module_name(module_name("class")) == module_name("class")


RUN = Path("runs/tiny/seed-0")


@pytest.fixture
def found(whole):
    return retrainings_of(whole)


def variant(retrained, name, *, finished=True, **header):
    """Another retraining, like one that is there."""
    record = retrained.record
    record = replace(
        record, header=replace(record.header, **header), test=record.test if finished else None
    )
    return Retrained(StagePaths(RUN / "retraining" / name), record)


def test_every_task_has_its_deepest(found):
    chosen = choose(found, RUN, None, None)
    assert [(each.task, each.record.header.shape.n_normal) for each in chosen] == [
        ("again", 2),
        ("digits", 2),
    ]


def test_one_task_can_be_asked_for(found):
    (chosen,) = choose(found, RUN, "digits", None)
    assert chosen.task == "digits"


def test_one_can_be_named(found):
    wanted = next(each for each in found if each.name.startswith("digits-n1"))
    assert choose(found, RUN, None, wanted.name) == [wanted]


def test_an_unfinished_one_is_not_chosen_and_refused_by_name(found):
    deeper = replace(found[0].record.header.shape, n_normal=9)
    unfinished = variant(found[0], "unfinished", finished=False, shape=deeper)
    assert unfinished not in choose([*found, unfinished], RUN, None, None)
    with pytest.raises(InputError, match="unfinished has reached epoch 1 of 1; finish it first"):
        choose([*found, unfinished], RUN, None, "unfinished")


def test_a_transfer_is_chosen_by_name_only(found):
    deeper = replace(found[0].record.header.shape, n_normal=9)
    transfer = variant(found[0], "transfer", task="elsewhere", shape=deeper)
    assert transfer not in choose([*found, transfer], RUN, None, None)
    assert choose([*found, transfer], RUN, None, "transfer") == [transfer]


def test_of_two_that_are_as_deep_one_must_be_named(found):
    twin = variant(found[1], "twin", recipe="other")
    with pytest.raises(InputError, match=r"several retrainings as deep: .*twin; say --retraining"):
        choose([*found, twin], RUN, found[1].task, None)


def test_an_architecture_from_elsewhere_goes_by_what_it_was_trained_on(found):
    elsewhere = variant(found[0], "elsewhere", found_on=None, individual=None)
    assert choose([elsewhere], RUN, None, None) == [elsewhere]


@pytest.mark.parametrize(("task", "of_task"), [(None, ""), ("cifar10", " of 'cifar10'")])
def test_where_there_is_none_it_is_said_what_to_do(task, of_task):
    line = f"has no finished retraining{of_task}; make one with `emtnas-hpc retrain {RUN}`"
    with pytest.raises(InputError, match=line):
        choose([], RUN, task, None)


def test_an_unknown_name_is_answered_with_those_that_are_there(found):
    with pytest.raises(InputError, match="'x', but runs/tiny/seed-0 has again-n1"):
        choose(found, RUN, None, "x")


def test_a_damaged_retraining_is_told_from_one_that_was_never_made(copied):
    refuse_damaged(copied, None)
    stage = retrainings_of(copied)[0].stage
    for step in stage.steps():
        (stage.commit(step) / "record.json").write_bytes(b"?")
    with pytest.raises(DamagedError, match=r"no commit has a good record\.json; the newest, "):
        refuse_damaged(copied, None)


def test_damaged_weights_are_not_replaced_by_those_of_an_earlier_commit(copied):
    retrained = retrainings_of(copied)[0]
    assert len(retrained.stage.steps()) == 2
    weights = retrained.stage.commit(retrained.stage.steps()[-1]) / "weights.pt"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    with pytest.raises(DamagedError, match=r"no good weights\.pt"):
        trained_network(retrained)


@pytest.fixture
def retrained(whole):
    return next(each for each in retrainings_of(whole) if each.name.startswith("digits-n2"))


@pytest.fixture
def history(whole):
    return read_history(whole.stage("search").commit(2) / HISTORY)


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


def test_of_an_incumbent_that_was_not_measured_yet_no_true_fitness_is_told(history):
    history.generations[:] = [
        replace(each, tasks=tuple(replace(task, true_fitness=math.nan) for task in each.tasks))
        for each in history.generations
    ]
    assert dict(incumbent_spec(history, 0, None).facts)["fitness"] == "not measured yet"


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
