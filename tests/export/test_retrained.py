"""Which retraining of a run is meant."""

from dataclasses import replace
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.paths import StagePaths
from emtnas_hpc.errors import DamagedError, InputError
from emtnas_hpc.export.networks import trained_network
from emtnas_hpc.export.spec import (
    Retrained,
    choose,
    refuse_damaged,
    retrainings_of,
)

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
