"""Retraining from a notebook: the command's own runner, folders and rules."""

import os
import shlex
import signal
import threading

import pytest

from emtnas_hpc.api import load_run, retrain
from emtnas_hpc.errors import DataError, InputError

pytestmark = pytest.mark.slow

#: A mini-batch is the twelfth part of an epoch, a step the half of one.
SMALL = ["retraining.epochs=2"]


def test_what_is_finished_is_handed_out_at_once(loaded, data_dir):
    told = []
    found = retrain(loaded, "digits", data=data_dir, say=told.append, progress=told.append)
    assert told == []
    assert found.name.startswith("digits-n2-quick")
    assert found.test == loaded.retrainings[3].test


def test_another_depth_and_other_settings_make_another_retraining(copied, data_dir):
    run, told = load_run(copied), []
    found = retrain(
        run,
        "digits",
        normal_cells=1,
        settings=SMALL,
        data=data_dir,
        device="cpu",
        progress=told.append,
    )
    assert found.name == "digits-n1-quick+channels=2+epochs=2+batch_size=256+part_batches=3"
    assert [summary["epoch"] for summary in told] == [1, 1, 2, 2]
    assert found.test is not None
    assert told[-1]["test_accuracy"] == found.test.accuracy
    again = load_run(copied)
    assert (len(run.retrainings), len(again.retrainings)) == (4, 5)


def test_it_goes_on_after_an_interrupt_and_ends_in_the_same_bits(copied, whole, data_dir, tmp_path):
    def interrupt(_summary):
        os.kill(os.getpid(), signal.SIGINT)

    options = {"normal_cells": 1, "settings": SMALL, "data": data_dir, "device": "cpu"}
    whole_one = retrain(load_run(copied), "digits", **options)
    stage = whole_one.retrained.stage
    stage.directory.rename(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt, match="stopped by SIGINT with work left; the same call"):
        retrain(load_run(copied), "digits", **options, progress=interrupt)
    assert stage.steps() == [1]
    again = retrain(load_run(copied), "digits", **options)
    weights = "000004/weights.pt"
    assert (stage.directory / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()
    assert again.test.accuracy == whole_one.test.accuracy


def test_an_interrupt_while_data_is_prepared_is_one_too(copied, tmp_path):
    def interrupt(_line):
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="stopped by SIGINT with work left; the same call"):
        retrain(load_run(copied), "digits", normal_cells=3, data=tmp_path / "new", say=interrupt)


def test_a_transfer_has_a_folder_that_says_so(copied, data_dir):
    found = retrain(
        load_run(copied), "digits", on="again", normal_cells=1, data=data_dir, device="cpu"
    )
    assert found.name.startswith("digits-on-again-n1-quick")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"task": None}, "task is None, expected one of digits, again"),
        ({"normal_cells": 0}, "normal_cells is 0, expected at least 1"),
        ({"recipe": "none"}, "retraining.recipe is 'none', expected"),
        (
            {"settings": ["search.rmp=1"]},
            "^search is set, expected .* of task: a search that is over",
        ),
        ({"device": "gpu"}, "'gpu', expected auto, cpu, cuda"),
        ({"on": "nothing"}, "unknown data set 'nothing'"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(loaded, data_dir, options, line):
    with pytest.raises(InputError, match=line):
        retrain(loaded, **{"task": "digits", "data": data_dir, **options})


def test_data_that_is_not_there_is_named_with_the_command_that_makes_it(copied, tmp_path):
    with pytest.raises(DataError, match=r"emtnas-hpc prepare cifar --set 'tasks=\[\"cifar10\"\]'"):
        retrain(load_run(copied), "digits", on="cifar10", data=tmp_path)


def test_the_command_that_makes_data_says_what_images_they_are(copied, tmp_path):
    settings = ["task.cifar10.padding=1", "retraining.epochs=1"]
    with pytest.raises(DataError) as raised:
        retrain(load_run(copied), "digits", on="cifar10", settings=settings, data=tmp_path)
    command = shlex.split(str(raised.value).partition("make it anew with: ")[2])
    assert command[:3] == ["emtnas-hpc", "prepare", "cifar"]
    assert [word for word in command if word.startswith(("task.", "retraining."))] == settings[:1]


def test_a_thread_that_hears_no_signals_is_refused(loaded):
    raised = []

    def attempt():
        try:
            retrain(loaded, "digits")
        except InputError as error:
            raised.append(str(error))

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert raised == ["retrain is called in a thread, expected the main one: it hears signals"]
