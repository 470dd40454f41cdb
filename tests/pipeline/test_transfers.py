import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from whole_runs import LABEL, RETRAININGS, TINY, Told, run

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import DataError, UnpreparedError
from emtnas_hpc.pipeline import pending_stages
from emtnas_hpc.progress import stages_of
from emtnas_hpc.retraining.record import read_retraining
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.search.spec import RunSpec
from emtnas_hpc.settings.experiment import TaskSettings
from emtnas_hpc.settings.names import read_stored

pytestmark = pytest.mark.slow

RequestIn = Callable[..., RunSpec]

OTHER = {"other": {"source": "package:digits", "padding": 2}}
ASKED = {"retraining": {"transfer": ["digits", "other"], "normal_cells": [1]}, "task": OTHER}
OWN = [RETRAININGS[0], RETRAININGS[2]]
TRANSFERS = [f"{pair}-n1-{LABEL}" for pair in ("digits-on-other", "again-on-digits")]
TRANSFERS += [f"again-on-other-n1-{LABEL}"]


@pytest.fixture
def asked(whole: RunPaths, tmp_path: Path, request_in: RequestIn) -> RunSpec:
    """Transfers, asked of a copy of a run that came to its end without any."""
    request = request_in(tmp_path / "copy/seed-0", **ASKED)
    shutil.copytree(whole.directory, request.paths.directory)
    return request


def test_transfers_follow_what_is_retrained_on_its_own_images(
    tmp_path: Path, request_in: RequestIn
) -> None:
    request = request_in(tmp_path / "seed-0", **ASKED)
    expected = ("search", *(f"retraining/{name}" for name in (*OWN, *TRANSFERS)))
    assert stages_of(request.experiment) == expected


def test_transfers_are_added_to_a_run_that_is_over(asked: RunSpec) -> None:
    left = tuple(f"retraining/{name}" for name in TRANSFERS)
    assert pending_stages(asked.paths, asked.experiment, 0) == left
    told = Told()
    assert run(asked, told) is Outcome.DONE
    assert told.stages == TRANSFERS
    assert pending_stages(asked.paths, asked.experiment, 0) == ()
    stage = asked.paths.stage(f"retraining/{TRANSFERS[0]}")
    header = read_retraining(stage.commit(stage.steps()[-1]) / "record.json").header
    assert (header.task, header.found_on, header.is_transfer) == ("other", "digits", True)


def test_a_run_says_which_images_its_transfers_are_on_and_no_longer_when_there_are_none(
    asked: RunSpec, request_in: RequestIn
) -> None:
    run(asked, Told())
    stored = read_stored(asked.paths)
    assert stored is not None
    assert stored.experiment == asked.experiment
    assert stored.experiment.task["other"].padding == 2
    shutil.rmtree(asked.paths.stage(f"retraining/{OWN[0]}").directory)
    run(request_in(asked.paths.directory, retraining={"normal_cells": [1]}), Told())
    stored = read_stored(asked.paths)
    assert stored is not None
    assert set(stored.experiment.task) == set(TINY["tasks"])


def test_data_of_a_transfer_that_is_missing_is_named_before_the_search_begins(
    tmp_path: Path, request_in: RequestIn
) -> None:
    gone = {"other": TaskSettings(source="npz:gone.npz").model_dump(mode="json")}
    request = request_in(tmp_path / "seed-0", **{**ASKED, "task": gone})
    with pytest.raises(DataError, match=r"gone\.npz"):
        run(request, Told())
    assert not request.paths.directory.exists()


def test_a_test_set_that_is_missing_is_named_before_the_search_begins(
    tmp_path: Path, request_in: RequestIn, data_dir: Path
) -> None:
    shutil.copytree(data_dir, tmp_path / "data")
    request = replace(request_in(tmp_path / "seed-0"), data_dir=tmp_path / "data")
    for file in request.data_dir.glob("*/test_images.npy"):
        file.unlink()
    with pytest.raises(UnpreparedError, match=r"test_images\.npy is missing"):
        run(request, Told())
    assert not request.paths.directory.exists()


def test_data_of_a_transfer_that_nothing_is_retrained_for_is_not_missed(
    tmp_path: Path, request_in: RequestIn
) -> None:
    gone = {"other": TaskSettings(source="npz:gone.npz").model_dump(mode="json")}
    nothing = {"transfer": ["other"], "normal_cells": []}
    request, told = request_in(tmp_path / "seed-0", retraining=nothing, task=gone), Told()
    assert run(request, told) is Outcome.DONE
    assert told.stages == ["search"]
