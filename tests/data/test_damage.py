from pathlib import Path

import pytest

from emtnas_hpc.data.dataset import Prepared, open_copy
from emtnas_hpc.data.opening import open_task
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.errors import DataError
from emtnas_hpc.settings.experiment import TaskSettings
from emtnas_hpc.settings.hints import prepare_hints

MEND = "emtnas-hpc prepare --data data mine"


@pytest.fixture
def task(npz: Path) -> TaskSettings:
    return TaskSettings(source=f"npz:{npz}")


@pytest.fixture
def prepared(task: TaskSettings, tmp_path: Path, lines: list[str]) -> Prepared:
    made = prepare("mine", task, tmp_path / "data")
    lines.clear()
    return made


def reopen(prepared: Prepared) -> Prepared:
    return open_copy("mine", prepared.task, prepared.folder.parent, None)


def flip_last_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["train_images", "train_labels", "val_images", "val_labels"])
def test_a_flipped_bit_is_found_on_loading_with_both_digests_and_the_mending_command(
    prepared: Prepared, name: str
) -> None:
    path = prepared.folder / f"{name}.npy"
    expected = prepared.manifest.files[path.name].sha256
    flip_last_bit(path)
    with pytest.raises(DataError) as caught, prepare_hints(MEND):
        reopen(prepared).load("train" if name.startswith("train") else "val")
    message = str(caught.value)
    assert f"{path} has SHA-256 " in message
    assert f"expected {expected[:12]}; make it anew with: {MEND}" in message
    assert "\n" not in message


def test_a_truncated_file_is_found_on_opening_with_both_sizes(prepared: Prepared) -> None:
    path = prepared.folder / "val_images.npy"
    content = path.read_bytes()
    path.write_bytes(content[:100])
    expected = rf"has 100 bytes, expected {len(content)}; .*{MEND}"
    with pytest.raises(DataError, match=expected), prepare_hints(MEND):
        reopen(prepared)


@pytest.mark.parametrize("name", ["train_labels.npy", "manifest.json"])
def test_a_missing_file_is_named_with_the_mending_command(prepared: Prepared, name: str) -> None:
    (prepared.folder / name).unlink()
    with pytest.raises(DataError, match=f"{name} is missing.*{MEND}"), prepare_hints(MEND):
        reopen(prepared)


def test_a_file_that_turns_unreadable_after_opening_is_named(prepared: Prepared) -> None:
    path = prepared.folder / "train_images.npy"
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=r"train_images\.npy: Is a directory"):
        prepared.load("train")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"schema_version": 1', '"schema_version": 2', "another version than 1 .schema_version"),
        ('"image_size"', '"image_sise"', "image_size"),
        ("{", "", "damaged"),
        ("val_labels.npy", "val_labels.npx", "does not list val_labels.npy"),
    ],
)
def test_a_damaged_manifest_or_one_of_another_version_is_named(
    prepared: Prepared, old: str, new: str, said: str
) -> None:
    path = prepared.folder / "manifest.json"
    text = path.read_text().replace('":', '": ').replace('":  ', '": ')
    assert old in text
    path.write_text(text.replace(old, new, 1))
    named = rf"manifest\.json .*{said}.*{MEND}"
    with pytest.raises(DataError, match=named) as caught, prepare_hints(MEND):
        reopen(prepared)
    assert "\n" not in str(caught.value)


def test_a_search_does_without_the_test_set(prepared: Prepared) -> None:
    flip_last_bit(prepared.folder / "test_images.npy")
    (prepared.folder / "test_labels.npy").unlink()
    opened = reopen(prepared)
    assert len(opened.load("train")) == 60
    assert len(opened.load("val")) == 12
    with pytest.raises(DataError, match=r"test_images\.npy has SHA-256"):
        opened.load("test")


def test_a_damaged_test_set_does_not_make_a_search_prepare_again(
    prepared: Prepared, lines: list[str]
) -> None:
    (prepared.folder / "test_images.npy").unlink()
    data_dir = prepared.folder.parent
    opened = open_task("mine", prepared.task, data_dir)
    assert opened.digest == prepared.digest
    assert lines == []


@pytest.mark.parametrize("name", ["train_images.npy", "test_labels.npy", "manifest.json"])
def test_preparing_names_what_is_damaged_and_makes_it_anew(
    prepared: Prepared, name: str, lines: list[str]
) -> None:
    path = prepared.folder / name
    before = path.read_bytes()
    path.write_bytes(before[:-1])
    again = prepare("mine", prepared.task, prepared.folder.parent)
    assert str(path) in lines[0]
    assert path.read_bytes() == before
    assert again.digest == prepared.digest
    assert list(prepared.folder.parent.glob(".*.partial")) == []


def test_a_search_mends_local_data_that_has_lost_a_file(
    prepared: Prepared, lines: list[str]
) -> None:
    (prepared.folder / "train_images.npy").unlink()
    data_dir = prepared.folder.parent
    opened = open_task("mine", prepared.task, data_dir)
    assert len(opened.load("train")) == 60
