"""The user's own images change: what has begun goes on with those that it began with."""

import json
import os
import re
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Emtnas, Result, Start, snapshot
from fake_slurm import FakeSlurm
from PIL import Image

from emtnas_hpc.data import prepare as preparation

pytestmark = pytest.mark.slow

EXPERIMENT = """
tasks = ["mine"]
name = "mine"
[search]
generations = 2
population = 3
[supernet]
channels = 2
[training]
batches = 2
batch_size = 8
[evaluation]
batch_size = 40
recalibration_images = 16
[run]
commit_interval_s = 0
[task.mine]
source = "images:pics"
image_size = 8
"""
QUICK = (
    *("--recipe", "quick", "--normal-cells", 1),
    *("--set", "retraining.channels=2", "--set", "retraining.epochs=1"),
)


@pytest.fixture
def pictures(here: Path) -> Path:
    """25 pictures of each of two classes, and an experiment on them."""
    rng = np.random.default_rng(0)
    for label, name in enumerate(("cat", "dog")):
        for i in range(25):
            save(here / f"pics/train/{name}/{i:03}.png", rng.integers(0, 100, (8, 8)) + 99 * label)
    (here / "mine.toml").write_text(EXPERIMENT)
    return here / "pics"


def save(path: Path, pixels: "np.ndarray[Any, Any]") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def alter(path: Path) -> None:
    with Image.open(path) as picture:
        pixels = np.array(picture)
    pixels[0, 0] = 255 - pixels[0, 0]
    save(path, pixels)


def arrays() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path("data").glob("*/*.npy")}


def succeed(result: Result) -> Result:
    assert result.code == 0, result.err
    return result


def says_no_digest(result: Result) -> bool:
    """A folder's name may have a short one."""
    return re.search(r"\b[0-9a-f]{12,}\b", result.err) is None


CHANGED = (
    "mine: pics has changed since this run began: 1 altered (train/cat/000.png); the images of "
    "then are used, in "
)


def test_an_interrupted_search_ends_as_if_nobody_had_touched_its_images(
    emtnas: Emtnas, start: Start, slurm: FakeSlurm, pictures: Path
) -> None:
    long = ("mine.toml", "--set", "search.generations=12", "--name", "mine")
    succeed(emtnas("run", *long, "--runs", "straight"))
    process = start("run", *long)
    assert process.stderr is not None
    for line in process.stderr:
        if "generation 2/12" in line:
            process.send_signal(signal.SIGINT)
    assert process.wait() == 4
    before = arrays()
    alter(pictures / "train/cat/000.png")
    dry = succeed(emtnas("launch", *long, "--dry-run"))
    assert CHANGED in dry.err
    assert dry.err.count("has changed since") == 1
    assert arrays() == before
    assert (
        "1 altered (train/cat/000.png); new runs read"
        in succeed(emtnas("prepare", "mine.toml")).err
    )
    assert arrays().items() > before.items()
    data = snapshot(Path("data"))
    assert CHANGED in emtnas("verify", "mine").err
    succeed(emtnas("status"))
    goes_on = succeed(emtnas("run", *long))
    assert CHANGED in goes_on.err
    assert "generation 1/12" not in goes_on.err
    assert succeed(emtnas("verify", "mine/seed-0", "straight/mine/seed-0")).out.endswith(
        "are equal bit for bit at generation 12\n"
    )
    # A run that is finished says so too: its result is that of the images of then.
    assert CHANGED in succeed(emtnas("run", *long)).err
    assert CHANGED in succeed(emtnas("verify", "mine")).err
    assert snapshot(Path("data")) == data


def test_a_command_looks_through_a_folder_once_and_opens_its_data_once(
    emtnas: Emtnas, slurm: FakeSlurm, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir, open_copy, seen = os.scandir, preparation.open_copy, Counter[str]()

    def counted_scandir(path: Any) -> Any:
        seen["looked through"] += path == pictures
        return scandir(path)

    def counted_open(*arguments: Any, **named: Any) -> Any:
        seen["opened"] += 1
        return open_copy(*arguments, **named)

    monkeypatch.setattr(os, "scandir", counted_scandir)
    monkeypatch.setattr(preparation, "open_copy", counted_open)
    for command in (
        ("prepare", "mine.toml"),
        ("run", "mine.toml"),
        ("launch", "mine.toml"),
        ("verify", "mine/seed-0"),
        ("retrain", "mine/seed-0", *QUICK),
    ):
        for _before_and_after_a_change in range(2):
            seen.clear()
            succeed(emtnas(*command))
            assert seen == {"looked through": 1, "opened": 1}, command
            alter(pictures / "train/cat/000.png")


def test_jobs_and_resume_go_on_with_the_images_of_the_launch(
    emtnas: Emtnas, slurm: FakeSlurm, pictures: Path
) -> None:
    succeed(emtnas("launch", "mine.toml"))
    before = arrays()
    alter(pictures / "train/cat/000.png")
    assert CHANGED in succeed(emtnas("launch", "mine.toml", "--seeds", 2)).err
    succeed(emtnas("cancel", "mine"))
    assert CHANGED in succeed(emtnas("resume", "mine")).err
    assert arrays() == before
    assert "seed 1: finished" in succeed(emtnas("run", "mine.toml", "--seeds", "1,")).err


def test_new_seeds_see_the_images_of_those_that_have_begun_and_a_new_name_those_of_now(
    emtnas: Emtnas, pictures: Path
) -> None:
    succeed(emtnas("run", "mine.toml"))
    alter(pictures / "train/cat/000.png")
    second = succeed(emtnas("run", "mine.toml", "--seeds", 2))
    assert f"seed 0: {CHANGED}" in second.err
    assert f"seed 1: {CHANGED}".replace("this run", "seed 0 of mine") in second.err
    assert "mine: seeds 0, 1 (n = 2)" in second.out
    other = succeed(emtnas("run", "mine.toml", "--name", "other"))
    assert "has changed since" not in other.err
    digests = {
        name: re.findall(r"mine = \"([0-9a-f]{64})\"", Path(path).read_text())
        for name, path in (
            ("first", "runs/mine/seed-0/experiment.toml"),
            ("second", "runs/mine/seed-1/experiment.toml"),
            ("other", "runs/other/seed-0/experiment.toml"),
        )
    }
    assert digests["first"] == digests["second"] != digests["other"]


@pytest.mark.parametrize("command", ["run", "launch", "verify", "retrain"])
def test_where_the_copy_is_gone_a_run_with_other_images_is_refused_in_words(
    emtnas: Emtnas, slurm: FakeSlurm, pictures: Path, command: str
) -> None:
    succeed(emtnas("run", "mine.toml"))
    shutil.rmtree("data")
    alter(pictures / "train/cat/000.png")
    runs = snapshot(Path("runs"))
    what = {"run": ("mine.toml",), "launch": ("mine.toml",), "verify": ("mine",)}
    result = emtnas(command, *what.get(command, ("mine", *QUICK)))
    assert result.code == 2
    began = "the search" if command == "retrain" else "this run"
    refusal = f"the images of mine have changed since {began} began, and no copy of what they were"
    assert refusal in result.err.splitlines()[-1]
    assert ("--other-images" if command == "retrain" else "another --name") in result.err
    assert says_no_digest(result)
    assert snapshot(Path("runs")) == runs


def test_another_source_and_another_pool_are_refused_in_words(
    emtnas: Emtnas, pictures: Path, here: Path
) -> None:
    size = ("--set", "task.mine.image_size=16", "--name", "mine")
    succeed(emtnas("run", "mine.toml", *size))
    shutil.copytree(pictures, here / "moved")
    moved = emtnas("run", "mine.toml", *size, "--set", "task.mine.source=images:moved")
    assert (moved.code, moved.err) == (
        0,
        "seed 0: mine: preparing images:moved: data/"
        + next(path.name for path in Path("data").glob("images-moved*"))
        + " is not there yet\n"
        + next(line for line in moved.err.splitlines(keepends=True) if " training, " in line)
        + "seed 0: finished, 2 generations\n",
    )
    alter(pictures / "train/cat/000.png")
    shutil.copytree(pictures, here / "other")
    other = emtnas("run", "mine.toml", *size, "--set", "task.mine.source=images:other")
    assert other.code == 2
    assert "('images:" not in other.err
    assert (
        "the images of mine are others than those that this run began with (task.mine.source is "
        "'images:pics' there, 'images:other' here); a run under another --name"
    ) in other.err
    pooled = emtnas("run", "mine.toml", *size, "--set", "task.mine.pool=2")
    assert pooled.code == 2
    assert "made with other settings: task.mine.pool is 1 there, 2 here; use those" in pooled.err
    sized = emtnas("run", "mine.toml", "--name", "mine")
    assert sized.code == 2
    assert "made with other settings: task.mine.image_size is 16 there, 8 here; use" in sized.err
    assert all(map(says_no_digest, (other, pooled, sized)))


def test_a_retraining_has_the_images_of_its_search_unless_others_are_asked_for(
    emtnas: Emtnas, pictures: Path
) -> None:
    succeed(emtnas("run", "mine.toml"))
    alter(pictures / "train/cat/000.png")
    for i in range(6):
        for name in ("cat", "dog"):
            shutil.copy(pictures / f"train/{name}/{i:03}.png", pictures / f"train/{name}/x{i}.png")
    (pictures / "test").mkdir()
    for name in ("cat", "dog"):
        for i in range(5, 10):
            picture = pictures / f"train/{name}/{i:03}.png"
            picture.parents[2].joinpath("test", name).mkdir(exist_ok=True)
            picture.rename(pictures / f"test/{name}/{i:03}.png")
    own = succeed(emtnas("retrain", "mine", *QUICK))
    note = "mine: pics has changed since the search began: 1 altered (train/cat/000.png), "
    assert own.err.count(note) == 1
    assert "`emtnas-hpc retrain runs/mine/seed-0 --other-images` trains on the images" in own.err
    assert "warning" not in own.err
    refused = emtnas("retrain", "mine", *QUICK, "--other-images")
    assert refused.code == 2
    assert "was made with the images that the search saw; move it away to train" in refused.err
    deep = (*QUICK[:3], 2, *QUICK[4:])
    other = succeed(emtnas("retrain", "mine", *deep, "--other-images", "--json"))
    assert (
        "warning: the search saw 8 test images of mine among its training and validation images of "
        "mine (test/cat/005.png, test/cat/006.png, test/cat/007.png, ...); the test accuracy will "
        "flatter"
    ) in other.err
    (record,) = json.loads(other.out)
    # Asked again, with or without the option, it is the same.
    alter(pictures / "train/cat/001.png")
    for option in ((), ("--other-images",)):
        again = succeed(emtnas("retrain", "mine", *deep, *option, "--json"))
        assert json.loads(again.out) == [record]
        assert (
            "pics has changed since mine-n2-quick+channels=2+epochs=1 began: 1 alter" in again.err
        )


def test_a_retraining_that_has_begun_goes_on_with_its_images(
    emtnas: Emtnas, pictures: Path
) -> None:
    """Earlier versions trained on whatever there was: what has begun so is carried on."""
    succeed(emtnas("run", "mine.toml"))
    alter(pictures / "train/cat/000.png")
    succeed(emtnas("retrain", "mine", *QUICK, "--other-images"))
    shutil.rmtree(next(Path("runs/mine/seed-0/retraining").glob("*/0*")))
    alter(pictures / "train/cat/000.png")
    alter(pictures / "train/dog/000.png")
    again = succeed(emtnas("retrain", "mine", *QUICK))
    assert "began: 2 altered (train/cat/000.png, train/dog/000.png); the images" in again.err
    assert "move runs/mine/seed-0/retraining/mine-n1-quick" in again.err


def test_retrainings_of_a_run_have_its_own_images(emtnas: Emtnas, pictures: Path) -> None:
    quick = ("--set", "retraining.recipe=quick", "--set", "retraining.channels=2")
    retrained = (*quick, "--set", "retraining.epochs=1", "--set", "retraining.normal_cells=[1]")
    succeed(emtnas("run", "mine.toml"))
    alter(pictures / "train/cat/000.png")
    result = succeed(emtnas("run", "mine.toml", *retrained, "--name", "mine"))
    assert CHANGED in result.err
    assert "test accuracy" in result.err
    shutil.rmtree("data")
    result = emtnas("run", "mine.toml", *retrained, "--name", "mine")
    assert result.code == 2
    assert "the images of mine have changed since this run began" in result.err


def test_images_of_another_size_or_source_are_another_retraining(
    emtnas: Emtnas, pictures: Path, here: Path
) -> None:
    succeed(emtnas("run", "mine.toml"))
    succeed(emtnas("retrain", "mine", *QUICK))
    sized = emtnas("retrain", "mine", *QUICK, "--set", "task.mine.image_size=16")
    assert sized.code == 2
    assert "was made with other settings: the images are others than there; use" in sized.err
    shutil.copytree(pictures, here / "other")
    alter(here / "other/train/cat/000.png")
    other = emtnas("retrain", "mine", *QUICK, "--set", "task.mine.source=images:other")
    assert other.code == 2
    assert "began with (task.mine.source is 'images:pics' there, 'images:other' here)" in other.err
    assert all(map(says_no_digest, (sized, other)))


def test_a_transfer_names_test_images_that_the_search_has_seen_and_seeds_share_its_images(
    emtnas: Emtnas, pictures: Path, here: Path
) -> None:
    succeed(emtnas("run", "mine.toml", "--seeds", 2))
    shutil.copytree(pictures, here / "more")
    shutil.copytree(pictures / "train", here / "more/test")
    on = ("--on", "b", "--set", "task.b.source=images:more", "--set", "task.b.image_size=8", *QUICK)
    first = succeed(emtnas("retrain", "mine/seed-0", *on))
    # Of 25 of a class, 5 were held out to test the search on.
    assert (
        "warning: the search saw 40 test images of b among its training and validation images of "
        "mine (test/cat/000.png, "
    ) in first.err
    alter(here / "more/train/cat/000.png")
    second = succeed(emtnas("retrain", "mine/seed-1", *on))
    assert "b: more has changed since runs/mine/seed-0/retraining/mine-on-b-n1-quick" in second.err
    assert len(list(Path("data").glob("images-more*"))) == 1


def test_prepared_folders_of_an_earlier_version_serve_a_run_that_has_begun(
    emtnas: Emtnas, pictures: Path
) -> None:
    succeed(emtnas("run", "mine.toml"))
    (folder,) = Path("data").glob("images*")
    (folder / "names.json").unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["names.json"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    before = snapshot(folder)
    assert succeed(emtnas("run", "mine.toml")).err == "seed 0: finished, 2 generations\n"
    assert succeed(emtnas("verify", "mine")).out.endswith("at generation 2\n")
    assert snapshot(folder) == before
    (pictures / "train/cat/000.png").unlink()
    assert "began: 1 gone; the images of then are used" in emtnas("run", "mine.toml").err


def test_arrays_of_ones_own_are_told_apart_too(emtnas: Emtnas, pictures: Path, here: Path) -> None:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (50, 8, 8), np.uint8), np.arange(50) % 2
    np.savez(here / "mine.npz", train_images=images, train_labels=labels)
    named = ("mine.toml", "--set", "task.mine.source=npz:mine.npz", "--name", "arrays")
    succeed(emtnas("run", *named))
    before = arrays()
    images[12] ^= 1
    np.savez(here / "mine.npz", train_images=images, train_labels=labels)
    succeed(emtnas("prepare", "runs/arrays/seed-0/experiment.toml"))
    result = succeed(emtnas("run", *named))
    assert "mine.npz has changed since this run began: 1 altered (train_images[12]);" in result.err
    assert arrays().items() > before.items()


@pytest.mark.usefixtures("warm_children")
def test_seeds_side_by_side_see_the_images_that_they_began_with(
    emtnas: Emtnas, pictures: Path
) -> None:
    succeed(emtnas("run", "mine.toml"))
    alter(pictures / "train/cat/000.png")
    result = succeed(emtnas("run", "mine.toml", "--seeds", 3, "--parallel", 2))
    for seed in (1, 2):
        assert f"seed {seed}: {CHANGED}".replace("this run", "seed 0 of mine") in result.err
    assert len(list(Path("data").glob("images*"))) == 1
