"""Images that change: another copy beside the first, and in words what is different."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from emtnas_hpc.data import prepare as preparation
from emtnas_hpc.data.dataset import Prepared, TaskData
from emtnas_hpc.data.opening import Begun, open_for_retraining, open_task, shared_with_search
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.errors import DataError, InputError, StorageError
from emtnas_hpc.runner.context import log_to
from emtnas_hpc.settings.experiment import TaskSettings
from emtnas_hpc.settings.hints import prepare_hints

pytestmark = pytest.mark.slow

MEND = "emtnas-hpc prepare mine"

#: Prepares a source and dies at the n-th time that something is made durable.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.runner.context import log_to
from emtnas_hpc.settings.experiment import TaskSettings
from emtnas_hpc.settings.hints import prepare_hints

calls, fsync = 0, os.fsync

def dying(descriptor):
    global calls
    calls += 1
    if calls == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)

os.fsync = dying
prepare("mine", TaskSettings(source=sys.argv[2], image_size=8), Path("data"))
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pictures(here: Path) -> Path:
    """25 grey pictures of each of two classes."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        for i in range(25):
            save(here / f"pics/train/{name}/{i:03}.png", rng.integers(0, 200, (8, 8)))
    return here / "pics"


TASK = TaskSettings(source="images:pics", image_size=8)
DATA = Path("data")


def save(path: Path, pixels: "np.ndarray[Any, Any]") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def alter(path: Path) -> None:
    """Re-saves a picture with another first pixel."""
    with Image.open(path) as picture:
        pixels = np.array(picture)
    pixels[0, 0] = 255 - pixels[0, 0]
    save(path, pixels)


def prepared(lines: list[str] | None = None, task: TaskSettings = TASK) -> Prepared:
    said: list[str] = [] if lines is None else lines
    with log_to(said.append):
        data = prepare("mine", task, DATA)
    assert isinstance(data, Prepared)
    return data


def begun_with(data: TaskData, **values: Any) -> Begun:
    said = {"what": "this run", "remedy": "give another --name"}
    begun = Begun(data.digest, data.task, with_test=False, **said)
    return replace(begun, **values)


def opened(begun: Begun | None, lines: list[str] | None = None, task: TaskSettings = TASK) -> Any:
    said: list[str] = [] if lines is None else lines
    with log_to(said.append):
        return open_task("mine", task, DATA, begun=begun)


def is_same(data: Prepared, other: Prepared) -> bool:
    return (data.folder, data.manifest) == (other.folder, other.manifest)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def arrays_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.npy")}


def copies() -> list[str]:
    return sorted(path.name for path in DATA.iterdir() if path.name[0] != ".")


def make_old(folder: Path) -> None:
    """As an earlier version left it: without names."""
    (folder / "names.json").unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]["names.json"]
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1))


def test_other_images_get_another_folder_and_what_is_different_is_said(
    pictures: Path, lines: list[str]
) -> None:
    first = prepared()
    before = content(first.folder)
    alter(pictures / "train/cat/000.png")
    shutil.copy(pictures / "train/dog/003.png", pictures / "train/dog/a.png")
    (pictures / "train/dog/007.png").unlink()
    second = prepared(lines)
    assert content(first.folder) == before
    assert second.folder.name == f"{first.folder.name}-{second.digest_with_test[:8]}"
    assert second.digest != first.digest
    assert lines[:2] == [
        "mine: preparing images:pics: pics has changed",
        "mine: pics has changed: 1 altered (train/cat/000.png), 1 added (train/dog/a.png), 1 gone "
        f"(train/dog/007.png); new runs read {second.folder}, those that have begun with "
        f"{first.folder} go on with that",
    ]
    assert opened(None).folder == second.folder


def test_what_has_begun_goes_on_with_its_images_and_is_told_what_has_changed(
    pictures: Path,
) -> None:
    first = prepared()
    arrays = arrays_of(first.folder)
    alter(pictures / "train/cat/000.png")
    data = opened(begun_with(first))
    assert is_same(data, first)
    assert data.note == (
        "mine: pics has changed since this run began: 1 altered (train/cat/000.png); the images of "
        f"then are used, in {first.folder}; give another --name"
    )
    assert arrays_of(first.folder) == arrays
    assert copies() == [first.folder.name]
    prepared()
    again = opened(begun_with(first))
    assert is_same(again, first)
    assert again.note == data.note
    (first.folder / "val_images.npy").unlink()
    expected = rf"anew with: {MEND} \(once pics is as it was\)"
    with pytest.raises(DataError, match=expected), prepare_hints(MEND):
        again.load("val")


def test_a_source_is_read_once_to_tell_what_has_changed(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepared()
    alter(pictures / "train/cat/000.png")
    note = opened(begun_with(first)).note
    monkeypatch.setattr(preparation.Preparation, "_read", None)
    assert opened(begun_with(first)).note == note


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_source_that_was_only_touched_makes_no_copy_and_is_read_once(
    pictures: Path, lines: list[str], has_begun: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepared()
    arrays = arrays_of(first.folder)
    for path in pictures.rglob("*.png"):
        os.utime(path, (1, 1))
    begun = begun_with(first) if has_begun else None
    again = opened(begun, lines)
    assert (again.folder, again.digest, again.note) == (first.folder, first.digest, "")
    assert arrays_of(first.folder) == arrays
    assert copies() == [first.folder.name]
    if not has_begun:
        assert f"pics has the same images as before, {first.folder} stays" in lines[1]
    monkeypatch.setattr(preparation.Preparation, "_read", None)
    assert opened(begun).folder == first.folder


@pytest.mark.parametrize("keeps_times", [False, True])
def test_images_that_are_put_back_are_read_from_the_copy_that_they_had(
    pictures: Path, here: Path, keeps_times: bool
) -> None:
    shutil.copytree(pictures, here / "backup")
    first = prepared()
    alter(pictures / "train/cat/000.png")
    second = prepared()
    shutil.rmtree(pictures)
    copy = shutil.copy2 if keeps_times else shutil.copyfile
    shutil.copytree(here / "backup", pictures, copy_function=copy)
    assert opened(None).folder == first.folder
    assert opened(begun_with(first)).note == ""
    assert "1 altered" in opened(begun_with(second)).note
    assert len(copies()) == 2


def test_a_copy_of_an_earlier_version_serves_as_it_is_and_changes_are_told_by_number(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepared()
    make_old(first.folder)
    before = content(first.folder)
    with monkeypatch.context() as patch:
        patch.setattr(preparation.Preparation, "_read", None)
        assert opened(None).digest == opened(begun_with(first)).digest == first.digest
    alter(pictures / "train/cat/000.png")
    alter(pictures / "train/dog/004.png")
    note = opened(begun_with(first)).note
    assert "began: 2 altered (train/cat/000.png, train/dog/004.png); " in note
    (pictures / "train/dog/007.png").unlink()
    assert (
        "began: 2 altered (train/cat/000.png, train/dog/004.png), 1 gone; "
        in opened(begun_with(first)).note
    )
    shutil.copy(pictures / "train/dog/008.png", pictures / "train/dog/a.png")
    save(pictures / "train/dog/b.png", np.zeros((8, 8)))
    assert (
        "began: 3 altered, 1 added (among them train/cat/000.png, train/dog/b.png, "
        "train/dog/004.png); "
    ) in opened(begun_with(first)).note
    prepared()
    now = content(first.folder)
    assert {name: now[name] for name in before} == before


def test_the_digests_are_those_of_earlier_versions(npz: Path) -> None:
    # Written down from the version before copies had names.
    data = prepared(task=TaskSettings(source=f"npz:{npz}", pool=1))
    assert data.digest == "8f1f9d770bf0666f8d13f12169d4b564a060e2e6282bba2d1178dc72561a17ae"
    assert (
        data.digest_with_test == "09c1004c65fb5e626e06d6a3056538e686a988b21ef1de4255052d11376857a6"
    )


@pytest.mark.parametrize("what", ["train_images.npy", "test_labels.npy", "names.json"])
def test_a_damaged_copy_is_mended_with_what_it_held(
    pictures: Path, lines: list[str], what: str
) -> None:
    first = prepared()
    before = content(first.folder)
    (first.folder / what).write_bytes(b"noise")
    prepared(lines)
    assert content(first.folder) == before
    assert copies() == [first.folder.name]
    assert f"{what} has SHA-256" in lines[0]


@pytest.mark.parametrize("what", ["train_images.npy", "manifest.json"])
def test_a_damaged_copy_is_left_alone_where_the_source_has_other_images_now(
    pictures: Path, what: str
) -> None:
    first = prepared()
    (first.folder / what).unlink()
    before = content(first.folder)
    alter(pictures / "train/cat/000.png")
    begun = begun_with(first)
    with pytest.raises(InputError, match=r"the images of mine have changed since this run began"):
        opened(begun)
    assert content(first.folder) == before
    second = prepared()
    assert second.folder.name == f"{first.folder.name}-{second.digest_with_test[:8]}"
    assert content(first.folder) == before


def test_a_copy_without_manifest_is_mended_where_the_source_has_what_is_left_of_it(
    pictures: Path,
) -> None:
    first = prepared()
    before = content(first.folder)
    (first.folder / "manifest.json").unlink()
    (first.folder / "val_images.npy").unlink()
    prepared()
    assert content(first.folder) == before


def test_a_second_copy_is_mended_too(pictures: Path) -> None:
    first = prepared()
    alter(pictures / "train/cat/000.png")
    second = prepared()
    before = content(first.folder), content(second.folder)
    for name in ("manifest.json", "test_images.npy"):
        (second.folder / name).write_bytes(b"noise")
    prepared()
    assert (content(first.folder), content(second.folder)) == before


def test_a_begun_copy_that_lost_a_file_is_mended_where_the_source_was_only_touched(
    pictures: Path,
) -> None:
    first = prepared()
    before = arrays_of(first.folder)
    (first.folder / "train_images.npy").unlink()
    os.utime(pictures / "train/cat/000.png", (1, 1))
    assert opened(begun_with(first)).note == ""
    assert arrays_of(first.folder) == before


def test_where_the_copy_is_gone_and_the_images_are_others_it_is_refused_in_words(
    pictures: Path,
) -> None:
    first = prepared()
    alter(pictures / "train/cat/000.png")
    second = prepared()
    shutil.rmtree(first.folder)
    before = content(second.folder)
    with pytest.raises(InputError) as refused:
        opened(begun_with(first))
    assert str(refused.value) == (
        "the images of mine have changed since this run began, and no copy of what they were is in "
        "data: put that or pics back as it was; give another --name"
    )
    assert content(second.folder) == before
    # Whoever is not held to them is told.
    data = opened(begun_with(first, is_binding=False))
    assert data.folder == second.folder
    assert data.note == "mine: the images are others than those that this run began with"
    alter(pictures / "train/cat/000.png")
    assert opened(begun_with(first)).digest == first.digest


def test_another_source_is_refused_by_name_unless_it_has_the_same_images(
    pictures: Path, here: Path
) -> None:
    first = prepared()
    shutil.copytree(pictures, here / "other")
    same = TaskSettings(source="images:same", image_size=8)
    other = TaskSettings(source="images:other", image_size=8)
    shutil.copytree(pictures, here / "same")
    assert opened(begun_with(first), task=same).note == ""
    alter(here / "other/train/cat/000.png")
    found = r"others than .* began with \(task.mine.source is 'images:pics' there, 'images:other'"
    with pytest.raises(InputError, match=found):
        opened(begun_with(first), task=other)


def test_a_source_that_cannot_be_read_any_more_keeps_nobody_from_going_on(
    pictures: Path, here: Path
) -> None:
    first = prepared()
    (pictures / "train/cat/000.png").write_text("noise")
    data = opened(begun_with(first))
    assert is_same(data, first)
    assert "what is different cannot be told (" in data.note
    assert "000.png cannot be read as a picture" in data.note
    shutil.rmtree(pictures)
    assert opened(begun_with(first)).note == ""


@pytest.mark.parametrize("n_copies", [1, 2])
def test_a_folder_that_is_refused_now_keeps_nobody_from_going_on(
    pictures: Path, n_copies: int
) -> None:
    """Two folders of one part are refused; what began does not depend on them."""
    for part in ("val", "test"):
        for name in ("cat", "dog"):
            shutil.copytree(pictures / "train" / name, pictures / part / name)
    first = prepared()
    if n_copies == 2:  # that differ in their test sets only, so that both fit a search
        alter(pictures / "test/cat/000.png")
        prepared()
    shutil.copytree(pictures / "val", pictures / "valid")
    data = opened(begun_with(first))
    assert is_same(data, first)
    assert "what is different cannot be told (" in data.note


def test_nothing_is_written_into_a_copy_that_is_whole(pictures: Path) -> None:
    first = prepared()
    before = content(first.folder)
    alter(pictures / "train/cat/000.png")
    assert "1 altered" in opened(begun_with(first)).note
    assert content(first.folder) == before


def test_of_a_source_that_is_gone_the_newest_copy_is_read_which_is_said(pictures: Path) -> None:
    prepared()
    alter(pictures / "train/cat/000.png")
    second = prepared()
    shutil.rmtree(pictures)
    data = opened(None)
    assert data.folder == second.folder
    assert data.note == (
        f"mine: pics is gone; of its 2 prepared copies the newest is read, {second.folder}"
    )


def test_a_test_set_that_changed_leaves_a_search_alone_and_is_another_copy(
    npz: Path, arrays: dict[str, Any]
) -> None:
    task = TaskSettings(source=f"npz:{npz}")
    first = prepared(task=task)
    np.savez(npz, **{**arrays, "test_images": arrays["test_images"][::-1]})
    second = prepared(task=task)
    data = opened(begun_with(first), task=task)
    assert (data.folder, data.note) == (second.folder, "")
    whole = begun_with(first, digest=first.digest_with_test, with_test=True)
    assert opened(whole, task=task).folder == first.folder


def test_pooling_otherwise_is_another_setting_and_not_another_copy(
    pictures: Path, here: Path
) -> None:
    task = TASK.model_copy(update={"image_size": 16})
    first = prepared(task=task)
    pooled = task.model_copy(update={"pool": 2})
    data = opened(begun_with(first), task=pooled)
    assert (data.folder, data.note, data.image_size) == (first.folder, "", 8)


def test_splitting_otherwise_is_another_setting_and_another_folder(
    npz: Path, arrays: dict[str, Any]
) -> None:
    np.savez(npz, **{name: array for name, array in arrays.items() if "val" not in name})
    task = TaskSettings(source=f"npz:{npz}")
    begun = begun_with(prepared(task=task))
    data = opened(begun, task=task.model_copy(update={"validation_split": "first"}))
    assert data.folder.name.endswith("-validation-first")
    assert data.digest != begun.digest
    assert opened(begun, task=task).digest == begun.digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("add in front", "1 altered (train_images[0]), 60 under other names (train_images[1], "),
        ("append", "1 added (train_images[60])"),
        ("drop the last", "1 gone (train_images[59])"),
        ("relabel", "1 altered (train_images[7])"),
        ("turn round", "60 under other names (train_images[0], train_images[1], train_images[2], "),
        ("alter four", "4 altered (train_images[0], train_images[1], train_images[2], ...)"),
        ("colour", "all of them in colour"),
        ("double", "1 altered (train_images[1])"),
    ],
)
def test_what_is_different_in_a_file_of_arrays_is_told(
    npz: Path, arrays: dict[str, Any], change: str, said: str
) -> None:
    task = TaskSettings(source=f"npz:{npz}")
    first = prepared(task=task)
    images, labels = arrays["train_images"], arrays["train_labels"]
    new = images[:1] ^ 1
    if change == "add in front":
        images, labels = np.concatenate([new, images]), np.concatenate([[0], labels])
    elif change == "append":
        images, labels = np.concatenate([images, new]), np.concatenate([labels, [0]])
    elif change == "drop the last":
        images, labels = images[:-1], labels[:-1]
    elif change == "relabel":
        labels = np.where(np.arange(60) == 7, (labels + 1) % 3, labels)
    elif change == "turn round":
        images, labels = images[::-1], labels[::-1]
    elif change == "alter four":
        images = np.concatenate([images[:4] ^ 1, images[4:]])
    elif change == "double":
        images, labels = images.copy(), labels.copy()
        images[1], labels[1] = images[0], labels[0]
    made = {**arrays, "train_images": images, "train_labels": labels}
    if change == "colour":
        pixels = {name: made[name][..., None].repeat(3, 3) for name in made if "images" in name}
        made |= pixels
    np.savez(npz, **made)
    assert f" began: {said}" in opened(begun_with(first), task=task).note


def test_renamed_pictures_of_a_new_class_are_told_apart_from_added_ones(pictures: Path) -> None:
    first = prepared()
    (pictures / "train/cat/000.png").rename(pictures / "train/cat/zzz.png")
    for i in range(25):
        save(pictures / f"train/ant/{i}.png", np.full((8, 8), i))
    note = opened(begun_with(first)).note
    assert (
        "began: 25 added (train/ant/0.png, train/ant/1.png, train/ant/10.png, ...), 1 under other "
        "names (train/cat/zzz.png); "
    ) in note


def test_pictures_under_new_names_in_the_same_order_are_the_same_images(
    pictures: Path, lines: list[str]
) -> None:
    first = prepared()
    (pictures / "train/cat/000.png").rename(pictures / "train/cat/000a.png")
    assert prepared(lines).folder == first.folder
    alter(pictures / "train/cat/000a.png")
    assert "1 altered (train/cat/000a.png);" in opened(begun_with(first)).note


@pytest.mark.parametrize("moment", range(1, 12))
def test_a_process_killed_while_it_prepares_changed_images_loses_no_copy(
    pictures: Path, moment: int
) -> None:
    first = prepared()
    before = content(first.folder)
    alter(pictures / "train/cat/000.png")
    _kill(moment)
    assert content(first.folder) == before
    assert is_same(opened(begun_with(first)), first)
    second = prepared()
    assert copies() == sorted([first.folder.name, second.folder.name])
    assert list(DATA.glob(".*.partial")) == []


@pytest.mark.parametrize("moment", [1, 8, 9, 10, 11, 12, 13, 14])
def test_a_process_killed_while_it_mends_loses_nothing_that_was_good(
    pictures: Path, moment: int
) -> None:
    first = prepared()
    before = content(first.folder)
    for name in ("train_images.npy", "test_labels.npy"):
        (first.folder / name).write_bytes(b"noise")
    _kill(moment)
    prepared()
    assert content(first.folder) == before
    assert copies() == [first.folder.name]
    assert [*DATA.glob(".*.partial"), *first.folder.glob(".*")] == []


def _kill(moment: int) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(moment), TASK.source],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    assert killed.returncode in (0, -signal.SIGKILL)


def test_a_full_disk_keeps_nobody_from_going_on_with_what_there_is(
    pictures: Path, small_files: Callable[[int], Any]
) -> None:
    first = prepared()
    alter(pictures / "train/cat/000.png")
    with small_files(100):
        data = opened(begun_with(first))
        assert is_same(data, first)
        assert "what is different cannot be told (" in data.note
        with pytest.raises(StorageError):
            opened(None)
    assert copies() == [first.folder.name]


def test_another_list_of_streamed_pictures_is_another_folder_and_what_has_begun_keeps_its_own(
    here: Path, make_pictures: Callable[..., Path], lines: list[str]
) -> None:
    make_pictures(here / "data/birds", n_train=4, n_val=2)
    task = TaskSettings(source="imagenet:birds", image_size=64, stem="strided")

    def prepare_list() -> TaskData:
        return prepare("birds", task, DATA)

    def open_list(begun: Begun | None) -> TaskData:
        return open_for_retraining("birds", task, DATA, begun=begun)

    first = prepare_list()
    begun = begun_with(first, digest=first.digest_with_test, with_test=True)
    picture = here / "data/birds/train/n0000/03.JPEG"
    picture.write_bytes(picture.read_bytes() + b"more")
    shutil.copy(picture, picture.with_name("04.JPEG"))
    second = prepare_list()
    change = "1 altered (train/n0000/03.JPEG), 1 added (train/n0000/04.JPEG)"
    assert f"birds: birds has changed: {change}; new runs read " in lines[-2]
    assert open_list(None) == second != first
    assert open_list(begun).digest_with_test == first.digest_with_test
    assert f"birds has changed since this run began: {change}; " in open_list(begun).note
    picture.with_name("04.JPEG").unlink()
    picture.write_bytes(picture.read_bytes()[: -len(b"more")])
    assert prepare_list() == first
    assert open_list(None) == first
    assert open_list(begun).note == ""


def test_test_images_that_a_search_has_seen_are_named(pictures: Path, here: Path) -> None:
    searched = begun_with(prepared())
    for name in ("cat", "dog"):
        for i in range(5):
            save(pictures / f"test/{name}/{i}.png", np.full((8, 8), 250 - i))
    shutil.copy(pictures / "train/cat/003.png", pictures / "test/cat/x.png")
    data = prepared()
    assert shared_with_search(data, DATA, searched) == ["test/cat/x.png"]
    assert shared_with_search(opened(searched), DATA, searched) == []
    shutil.rmtree(opened(searched).folder)
    with pytest.raises(DataError, match=r"the copy that this run began with is not in data"):
        shared_with_search(data, DATA, searched)


def test_a_data_directory_of_others_that_is_only_read_serves_what_has_begun(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepared()
    alter(pictures / "train/cat/000.png")

    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    data = opened(begun_with(first))
    assert data.folder == first.folder
    assert "what is different cannot be told (cannot write data" in data.note
