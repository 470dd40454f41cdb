import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emtnas_hpc.data.image_folder import look_through
from emtnas_hpc.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Grey 8x8 pictures of brightness 10, 11, 12 of cats and 100, 101, 102 of dogs."""
    for name, first in (("cats", 10), ("dogs", 100)):
        for n in range(3):
            save(tmp_path / "train" / name / f"{n}.png", Image.new("L", (8, 8), first + n))
    return tmp_path


def save(path: Path, picture: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def test_classes_and_pictures_are_taken_in_the_order_of_their_names(folder: Path) -> None:
    raw = look_through(folder).read(8)
    assert raw.classes == ("cats", "dogs")
    assert raw.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert raw.train.images.shape == (6, 8, 8, 1)
    assert raw.train.images[:, 0, 0, 0].tolist() == [10, 11, 12, 100, 101, 102]
    assert raw.val is None


def test_pictures_of_any_shape_are_scaled_to_the_square_that_was_asked_for(folder: Path) -> None:
    save(folder / "train/cats/wide.jpg", Image.new("L", (40, 10), 10))
    images = look_through(folder).read(4).train.images
    assert images.shape == (7, 4, 4, 1)
    assert images[3].max() == images[3].min() == 10


def test_one_coloured_picture_makes_all_images_rgb(folder: Path) -> None:
    save(folder / "val/cats/red.png", Image.new("RGB", (8, 8), (200, 0, 0)))
    save(folder / "val/dogs/clear.png", Image.new("RGBA", (8, 8), (0, 30, 0, 255)))
    raw = look_through(folder).read(8)
    assert raw.train.images[0, 0, 0].tolist() == [10, 10, 10]
    assert raw.val is not None
    assert raw.val.images[:, 0, 0].tolist() == [[200, 0, 0], [0, 30, 0]]


def test_a_picture_is_turned_upright_as_its_camera_says(folder: Path) -> None:
    picture = Image.new("L", (8, 8), 0)
    picture.paste(255, (0, 0, 8, 4))
    exif = Image.Exif()
    exif[0x0112] = 3
    picture.save(folder / "train/cats/turned.png", exif=exif)
    upright = look_through(folder).read(8).train.images[3, :, 0, 0]
    assert upright.tolist() == [0] * 4 + [255] * 4


def test_files_that_are_no_pictures_are_counted_and_hidden_ones_ignored(folder: Path) -> None:
    (folder / "train/cats/notes.txt").write_text("not a picture")
    (folder / "train/cats/._1.png").write_text("not a picture either")
    (folder / "train/.cache").mkdir()
    raw = look_through(folder).read(8)
    assert len(raw.train) == 6
    assert raw.notes == ("1 file left out: 1 .txt",)


def test_a_folder_without_train_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="train is missing, expected a folder of pictures"):
        look_through(tmp_path).read(8)


def test_a_single_class_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "train/cats/1.png", Image.new("L", (8, 8)))
    with pytest.raises(DataError, match="has 1 class folders, expected at least 2"):
        look_through(tmp_path).read(8)


def test_a_class_without_training_pictures_is_named(folder: Path) -> None:
    (folder / "train/eels").mkdir()
    (folder / "train/eels/1.dcm").write_text("x")
    with pytest.raises(
        DataError, match=r"train/eels has no pictures, .*; 1 file left out: 1 \.dcm"
    ):
        look_through(folder).read(8)


@pytest.mark.parametrize("made", [False, True])
def test_a_test_set_may_lack_a_class_which_is_said(folder: Path, made: bool) -> None:
    save(folder / "test/cats/1.png", Image.new("L", (8, 8)))
    if made:
        (folder / "test/dogs").mkdir()
    raw = look_through(folder).read(8)
    assert raw.test is not None
    assert raw.test.labels.tolist() == [0]
    assert raw.notes == ("test has no pictures of 1 of 2 classes: 'dogs'",)


def test_a_class_that_training_does_not_know_is_named(folder: Path) -> None:
    save(folder / "test/eels/1.png", Image.new("L", (8, 8)))
    with pytest.raises(DataError, match="test/eels is a class that train has not"):
        look_through(folder).read(8)


@pytest.mark.parametrize("content", [b"", b"no picture at all"])
def test_a_file_that_is_no_picture_is_named(folder: Path, content: bytes) -> None:
    (folder / "train/dogs/1.png").write_bytes(content)
    with pytest.raises(DataError, match=r"train/dogs/1\.png cannot be read as a picture"):
        look_through(folder).read(8)


def test_a_picture_that_is_cut_off_is_named(folder: Path) -> None:
    path = folder / "train/dogs/1.png"
    noise = np.random.default_rng(4).integers(0, 256, (64, 64), np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"train/dogs/1\.png cannot be read as a picture"):
        look_through(folder).read(8)


def test_the_fingerprint_changes_with_any_picture_and_is_none_without_a_folder(
    folder: Path,
) -> None:
    before = look_through(folder).fingerprint
    assert before == look_through(folder).fingerprint
    save(folder / "train/cats/0.png", Image.new("L", (9, 9), 77))
    changed = look_through(folder).fingerprint
    (folder / "train/cats/0.png").rename(folder / "train/cats/00.png")
    assert len({before, changed, look_through(folder).fingerprint}) == 3
    assert look_through(folder / "nowhere").fingerprint is None


def test_the_fingerprint_of_the_usual_layout_is_the_same_for_ever(tmp_path: Path) -> None:
    for number, part in enumerate(("train", "val", "test")):
        for name in ("dog", "Cat", "cat 2"):
            for file in ("10.png", "2.PNG", "a b.jpg", ".hidden.png", "x.txt"):
                path = tmp_path / part / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(file * (number + 1))
                os.utime(path, ns=(0, 10**18 + number))
    assert look_through(tmp_path).fingerprint == (
        "c4985722481a47d983982401b39c9d1d460818fa8ee3a3c78d61b9ca23040800"
    )
