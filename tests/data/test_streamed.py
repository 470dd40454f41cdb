import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emtnas_hpc.data import prepare as preparation
from emtnas_hpc.data.dataset import Streamed, open_copy
from emtnas_hpc.data.folders import Listing
from emtnas_hpc.data.opening import open_for_retraining, open_task
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.data.sources import REGISTRY, parse_source
from emtnas_hpc.errors import DataError, UnpreparedError
from emtnas_hpc.runner.context import log_to
from emtnas_hpc.settings.experiment import TaskSettings


@pytest.fixture
def data_dir(tmp_path: Path, make_pictures: Callable[..., Path]) -> Path:
    make_pictures(tmp_path / "imagenet", n_train=4, n_val=2)
    return tmp_path


def settings(**changes: object) -> TaskSettings:
    return TaskSettings(**{**dict(REGISTRY["imagenet"]), "image_size": 64, **changes})


def prepared(data_dir: Path, lines: list[str] | None = None, **changes: object) -> Streamed:
    said: list[str] = [] if lines is None else lines
    with log_to(said.append):
        data = prepare("imagenet", settings(**changes), data_dir)
    assert isinstance(data, Streamed)
    return data


def test_a_folder_is_listed_and_nothing_of_it_copied(data_dir: Path, lines: list[str]) -> None:
    data = prepared(data_dir, lines)
    assert [data.n_images(split) for split in ("train", "val", "test")] == [12, 0, 6]
    assert (data.n_classes, data.image_channels, data.image_size, data.task.stem) == (
        *(3, 3, 64),
        "strided",
    )
    assert data.pictures_folder == data_dir / "imagenet"
    assert sum(file.stat().st_size for file in data.folder.iterdir()) < 5000
    assert lines[-1].startswith("imagenet: 12 training and 6 test pictures, 3 classes, in ")


def test_listing_twice_lists_once(data_dir: Path, lines: list[str]) -> None:
    prepared(data_dir)
    prepared(data_dir, lines)
    assert len(lines) == 1


def test_pictures_are_found_under_the_positions_of_the_list(data_dir: Path) -> None:
    data = prepared(data_dir)
    files = data.files("test")
    first, second = data.pictures("test", files, np.array([5, 0]))
    assert first.path == str(data_dir / "imagenet/val/n0002/01.JPEG")
    assert second.path == str(data_dir / "imagenet/val/n0000/00.JPEG")
    assert second.n_bytes == Path(second.path).stat().st_size


def test_the_digest_tells_names_sizes_and_classes_and_no_place(
    data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = prepared(data_dir)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.copytree(data_dir / "imagenet", elsewhere / "copy")
    copied = prepared(data_dir, source=f"imagenet:{elsewhere / 'copy'}")
    assert copied.pictures_folder == elsewhere / "copy"
    assert (copied.digest, copied.digest_with_test) == (data.digest, data.digest_with_test)
    (elsewhere / "copy/val/n0001/00.JPEG").rename(elsewhere / "copy/val/n0001/renamed.JPEG")
    changed = prepared(data_dir, source=f"imagenet:{elsewhere / 'copy'}")
    assert changed.digest == data.digest
    assert changed.digest_with_test != data.digest_with_test


def test_a_picture_that_was_replaced_in_place_is_listed_by_prepare(
    data_dir: Path, lines: list[str]
) -> None:
    before = prepared(data_dir)
    picture = data_dir / "imagenet/train/n0000/03.JPEG"
    picture.write_bytes(picture.read_bytes() + b"more")
    assert prepared(data_dir, lines).digest != before.digest
    assert "imagenet has changed" in lines[0]


def test_a_folder_that_has_changed_is_looked_through_once_alone_and_not_again_to_write_it_down(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = prepared(data_dir)
    real, listed = preparation.list_folder, []

    def list_folder(folder: Path) -> Listing:
        listed.append(real(folder))
        return listed[-1]

    (data_dir / "imagenet/val/n0001/00.JPEG").rename(data_dir / "imagenet/val/n0001/new.JPEG")
    monkeypatch.setattr(preparation, "list_folder", list_folder)
    assert prepared(data_dir).digest_with_test != before.digest_with_test
    assert len(listed) == 1


def test_a_picture_that_was_added_is_listed_by_prepare(data_dir: Path, lines: list[str]) -> None:
    before = prepared(data_dir)
    new = data_dir / "imagenet/train/n0000/new.JPEG"
    shutil.copy(data_dir / "imagenet/train/n0001/00.JPEG", new)
    assert prepared(data_dir, lines).n_images("train") == before.n_images("train") + 1
    assert "imagenet has changed" in lines[0]


def test_a_damaged_list_is_named_and_made_anew(data_dir: Path, lines: list[str]) -> None:
    data = prepared(data_dir)
    (data.folder / "train_sizes.npy").write_bytes(b"x" * 224)
    with pytest.raises(UnpreparedError, match=r"train_sizes\.npy "):
        data.files("train")
    assert prepared(data_dir, lines).digest == data.digest
    assert "train_sizes.npy has SHA-256" in lines[0]


def test_a_folder_whose_first_pictures_are_none_is_refused(data_dir: Path) -> None:
    (data_dir / "imagenet/val/n0000/00.JPEG").write_text("noise")
    with pytest.raises(DataError, match=r"val/n0000/00\.JPEG cannot be read as a picture"):
        prepared(data_dir)
    assert [path.name for path in data_dir.iterdir() if not path.name.startswith(".")] == [
        "imagenet"
    ]


def test_a_retraining_lists_by_itself_and_then_looks_at_the_folders_only(
    data_dir: Path, lines: list[str]
) -> None:
    def opened() -> object:
        task = settings()
        return open_for_retraining("imagenet", task, data_dir)

    first = opened()
    for picture in (data_dir / "imagenet/train").glob("*/*"):
        picture.unlink()
    assert opened() == first
    shutil.rmtree(data_dir / "imagenet/val")
    with pytest.raises(UnpreparedError, match=r"val is missing; expected "):
        opened()


def test_a_search_on_it_is_refused_in_one_line(data_dir: Path, lines: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        open_task("imagenet", settings(), data_dir)
    assert "imagenet:imagenet', which is for retraining only" in str(caught.value)
    assert "emtnas-hpc retrain RUN --on imagenet" in str(caught.value)
    assert lines == []


def test_what_is_not_listed_yet_is_named(data_dir: Path) -> None:
    with pytest.raises(UnpreparedError, match=r"manifest\.json is missing"):
        open_copy("imagenet", settings(), data_dir, None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pool": 2}, "task.imagenet.pool is 2, expected 1: streamed images are cut out of"),
        ({"padding": 4}, "task.imagenet.padding is 4, expected 0: streamed images are cut out"),
        ({"mean": (0.5, 0.5)}, "task.imagenet.mean has 2 values, expected 1, or 3 for its"),
        (
            {"image_size": 56},
            "task.imagenet.image_size is 56, expected at least 57 for a strided stem",
        ),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_anything_is_listed(
    data_dir: Path, change: dict[str, object], said: str
) -> None:
    with pytest.raises(DataError) as caught:
        prepared(data_dir, **change)
    assert str(caught.value).startswith(said)
    assert [path.name for path in data_dir.iterdir()] == ["imagenet"]


def test_a_relative_folder_begins_in_the_data_directory_and_names_one_list(tmp_path: Path) -> None:
    relative, absolute = (
        parse_source(settings(source=f"imagenet:{path}")) for path in ("a/b", "/somewhere/b")
    )
    assert relative.folder(tmp_path) == tmp_path / "a/b"
    assert absolute.folder(tmp_path) == Path("/somewhere/b")
    assert relative.key != absolute.key
    assert relative.key.startswith("imagenet-b-")
    assert not relative.needs_download


def test_what_is_left_out_of_a_folder_is_said_when_it_is_listed(
    data_dir: Path, lines: list[str]
) -> None:
    (data_dir / "imagenet/train/n0000/notes.txt").write_text("x")
    (data_dir / "imagenet/test").mkdir()
    prepared(data_dir, lines)
    assert lines[1:3] == [
        "imagenet: 1 file left out: 1 .txt",
        "imagenet: 1 folder left out: 'test'",
    ]


def test_a_picture_of_16_bits_is_refused_when_it_is_listed_with_what_to_do(data_dir: Path) -> None:
    path = data_dir / "imagenet/train/n0000/00.png"
    Image.fromarray(np.full((70, 70), 3000, np.uint16)).save(path)
    (data_dir / "imagenet/train/n0000/00.JPEG").unlink()
    with pytest.raises(DataError, match=r"00\.png has 16-bit values, expected .*images:DIR"):
        prepared(data_dir)
