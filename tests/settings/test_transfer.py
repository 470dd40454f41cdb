from collections.abc import Callable
from pathlib import Path

import pytest

from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.errors import InputError
from emtnas_hpc.settings.experiment import Experiment, identify
from emtnas_hpc.settings.loading import retraining_experiment
from emtnas_hpc.settings.names import StoredExperiment, dump_stored, parse_stored, run_name

Load = Callable[..., Experiment]
Complaint = Callable[..., str]

TRANSFER = 'retraining.transfer=["cifar100"]'
DATA = {"cifar10": "a" * 64}


def test_what_was_found_is_retrained_on_its_own_images_first(load: Load) -> None:
    experiment = load("cifar", 'retraining.transfer=["cifar10", "digits"]')
    assert experiment.data_sets == ("cifar10", "cifar100", "digits")
    assert experiment.retrained == (
        ("cifar10", "cifar10"),
        ("cifar100", "cifar100"),
        ("cifar10", "digits"),
        ("cifar100", "cifar10"),
        ("cifar100", "digits"),
    )


def test_images_of_a_transfer_come_from_the_registry_or_a_table(load: Load) -> None:
    experiment = load("cifar10-single", TRANSFER, "task.cifar100.padding=3")
    assert experiment.task["cifar100"] == REGISTRY["cifar100"].model_copy(update={"padding": 3})
    own = load("cifar10-single", 'retraining.transfer=["mine"]', "task.mine.source=npz:a.npz")
    assert own.task["mine"].source == "npz:a.npz"


@pytest.mark.parametrize("override", ["task.cifar100.padding=3", "task.cifar100.source=npz:a.npz"])
def test_a_transfer_is_no_part_of_a_search_nor_of_its_name(load: Load, override: str) -> None:
    plain, asked = load("cifar10-single"), load("cifar10-single", TRANSFER, override)
    assert identify(asked, 0, DATA) == identify(plain, 0, DATA)
    assert run_name(plain, asked, REGISTRY) == "cifar10-single"
    assert run_name(asked, plain, REGISTRY) == "cifar10-single"


def test_what_a_run_has_stored_keeps_the_images_of_its_transfers(load: Load) -> None:
    experiment = load("cifar10-single", TRANSFER, "task.cifar100.padding=3")
    text = dump_stored(StoredExperiment(experiment, 0, DATA, {"search": "s"}))
    assert parse_stored(text, "here").experiment == experiment


def test_what_a_run_stored_before_there_were_transfers_is_read(load: Load) -> None:
    stored = StoredExperiment(load("cifar10-single"), 0, DATA, {"search": "s"})
    text = dump_stored(stored)
    assert "transfer = []\n" in text
    assert parse_stored(text.replace("transfer = []\n", ""), "here") == stored


def test_a_file_that_drops_a_transfer_drops_what_its_base_says_of_it(
    load: Load, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'extends = "cifar10-single"\n[retraining]\ntransfer = ["mine"]\n'
        '[task.mine]\nsource = "npz:a.npz"\n'
    )
    assert set(load(str(file)).task) == {"cifar10", "mine"}
    assert set(load(str(file), 'tasks=["digits"]').task) == {"digits", "mine"}
    assert set(load(str(file), "retraining.transfer=[]").task) == {"cifar10"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (['retraining.transfer=["nowhere"]'], "unknown data set 'nowhere'; known are: "),
        (
            ['retraining.transfer=["digits", "digits"]'],
            "retraining.transfer is ['digits', 'digits'], expected every data set once",
        ),
        (["retraining.transfer=digits"], "retraining.transfer is 'digits', expected a list, each "),
        ([TRANSFER, "task.digits.pool=2"], "task.digits is set, but the tasks are cifar10, cifar"),
    ],
)
def test_a_transfer_that_cannot_be_is_refused(
    complaint: Complaint, overrides: list[str], message: str
) -> None:
    assert complaint("cifar10-single", *overrides).startswith(message)


def test_a_retraining_by_hand_says_otherwise_what_it_trains_on(load: Load) -> None:
    run = load("cifar10-single", TRANSFER)
    wanted = retraining_experiment(run, targets=["cifar10"], registry=REGISTRY)
    assert wanted.retrained == (("cifar10", "cifar10"),)
    with pytest.raises(InputError, match="name the data set to train on with --on"):
        retraining_experiment(run, [TRANSFER], targets=["cifar10"], registry=REGISTRY)
