from pathlib import Path

import numpy as np

from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.settings.loading import load_experiment
from emtnas_hpc.slurm.checks import Grade, check_data


def test_data_is_ready_or_made_ready_or_missing(tmp_path: Path) -> None:
    settings = ('tasks=["digits", "mnist5k", "cifar10"]', "task.digits.padding=0")
    experiment = load_experiment("cifar", settings, registry=REGISTRY)
    prepare("digits", experiment.task["digits"], tmp_path)
    before = sorted(tmp_path.rglob("*"))
    ready, later, missing = check_data(experiment, tmp_path, "PREPARE")
    assert (ready.grade, ready.check) == (Grade.FINE, "data of digits")
    assert (later.grade, "needs no download" in str(later)) == (Grade.FINE, True)
    assert (missing.grade, missing.advice) == (Grade.WRONG, "make it anew with: PREPARE")
    assert sorted(tmp_path.rglob("*")) == before


def test_damaged_data_is_wrong_also_where_it_needs_no_download(tmp_path: Path) -> None:
    data = tmp_path / "mine; not yours"
    settings = ('tasks=["digits"]', "task.digits.padding=0")
    experiment = load_experiment("cifar", settings, registry=REGISTRY)
    prepare("digits", experiment.task["digits"], data)
    next(data.glob("*/train_images.npy")).unlink()
    (finding,) = check_data(experiment, data, "PREPARE")
    assert finding.grade is Grade.WRONG
    assert finding.found.startswith(str(data))
    assert finding.advice == "make it anew with: PREPARE"


def test_data_whose_source_has_changed_is_made_ready_by_launch(tmp_path: Path) -> None:
    settings = ('tasks=["mine"]', f'task.mine.source="npz:{tmp_path}/mine.npz"')
    experiment = load_experiment("cifar", settings, registry=REGISTRY)

    def write(value: int) -> None:
        images = np.full((50, 8, 8), value, np.uint8)
        np.savez(tmp_path / "mine.npz", train_images=images, train_labels=np.arange(50) % 2)

    write(1)
    first = prepare("mine", experiment.task["mine"], tmp_path)
    write(2)
    (later,) = check_data(experiment, tmp_path, "PREPARE")
    assert later.grade is Grade.FINE
    assert f"{tmp_path}/mine.npz has changed; `launch` makes it ready anew" in str(later)
    second = prepare("mine", experiment.task["mine"], tmp_path)
    (ready,) = check_data(experiment, tmp_path, "PREPARE")
    assert str(ready).endswith(f"ready in {second.folder}")
    assert second.folder != first.folder


def test_a_message_without_advice_is_what_was_found(tmp_path: Path) -> None:
    settings = ('tasks=["mine"]', 'task.mine.source="nonsense"', "task.mine.padding=0")
    experiment = load_experiment("cifar", settings, registry=REGISTRY)
    (finding,) = check_data(experiment, tmp_path, "PREPARE")
    assert finding.found.startswith("task.mine.source is 'nonsense', expected ")
    assert (finding.advice, str(finding)) == ("", finding.found)
