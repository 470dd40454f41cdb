"""Folders of pictures as people have them: odd entries are named, what is left out is said."""

import os
import shutil
import socket
import struct
import tempfile
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emtnas_hpc.data.folders import list_folder
from emtnas_hpc.data.image_folder import look_through
from emtnas_hpc.data.npz_file import npz_fingerprint, read_npz
from emtnas_hpc.errors import DataError

LISTED_PARTS = ("train", "val")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where anybody may look: what pytest makes is closed to everybody but its owner."""
    with tempfile.TemporaryDirectory(prefix="pictures-") as place:
        made = Path(place)
        made.chmod(0o755)
        for part in LISTED_PARTS:
            for number, name in enumerate(("cat", "dog")):
                for n in range(2):
                    save(made / part / name / f"{n}.png", Image.new("L", (8, 8), 9 * number + n))
        yield made


def save(path: Path, picture: Image.Image) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    return path


def images(folder: Path) -> tuple[str, ...]:
    return look_through(folder).read(8).notes


def imagenet(folder: Path) -> tuple[str, ...]:
    return list_folder(folder).notes


both = pytest.mark.parametrize("read", [images, imagenet])
Read = Callable[[Path], tuple[str, ...]]


def refusal(read: Read, folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(folder)
    assert str(caught.value).isprintable()
    return str(caught.value)


def lose(folder: Path) -> None:
    (folder / "train/cat/0.png").unlink()
    (folder / "train/cat/0.png").symlink_to("/nowhere/0.png")


def lose_class(folder: Path) -> None:
    shutil.rmtree(folder / "train/dog")
    (folder / "train/dog").symlink_to("/nowhere/dog")


def lose_session(folder: Path) -> None:
    (folder / "train/cat/session").symlink_to("/nowhere/session")


def turn_in_circles(folder: Path) -> None:
    (folder / "train/cat/round.png").symlink_to("round.png")


def lead_back(folder: Path) -> None:
    (folder / "train/cat/again").symlink_to("..")


def break_name(folder: Path) -> None:
    (folder / "train/dog").rename(folder / "train" / os.fsdecode(b"d\xf6g"))


@both
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lose,
            "train/cat/0.png: No such file or directory; the link leads nowhere: mend or remove",
        ),
        (lose_class, "train/dog: No such file or directory; the link leads"),
        (lose_session, "train/cat/session: No such file or directory; the link"),
        (turn_in_circles, "train/cat/round.png: Too many levels of symbolic links"),
        (lead_back, "is a link that leads back to where it lies; remove it"),
        (break_name, "train/d\\udcf6g' has a name that is not UTF-8, expected one that is"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named(
    folder: Path, read: Read, change: Callable[[Path], None], said: str
) -> None:
    change(folder)
    assert said in refusal(read, folder)


@pytest.fixture
def close() -> Iterator[Callable[[Path, int], None]]:
    """Changes the mode of something, and then root obeys modes as anybody else does."""
    is_root = os.geteuid() == 0
    modes: dict[Path, int] = {}

    def change(path: Path, mode: int) -> None:
        modes[path] = path.stat().st_mode
        path.chmod(mode)
        if is_root:
            os.seteuid(65534)

    yield change
    if is_root:
        os.seteuid(0)
    for path, mode in modes.items():
        path.chmod(mode)


@both
@pytest.mark.parametrize(
    ("name", "mode"),
    [(".", 0), ("train", 0), ("train", 0o444), ("train/dog", 0), ("train/dog", 0o444)],
)
def test_a_folder_that_may_not_be_looked_into_is_named_and_not_called_empty(
    folder: Path, read: Read, name: str, mode: int, close: Callable[[Path, int], None]
) -> None:
    close(folder / name, mode)
    assert f"{folder / name}" in refusal(read, folder)
    assert ": Permission denied" in refusal(read, folder)
    with pytest.raises(DataError, match="Permission denied"):
        look_through(folder)


def test_a_picture_that_may_not_be_read_is_named(
    folder: Path, close: Callable[[Path, int], None]
) -> None:
    close(folder / "train/dog/1.png", 0)
    assert "train/dog/1.png: Permission denied" in refusal(images, folder)


@both
def test_pipes_and_sockets_hold_nothing_up_and_are_counted(folder: Path, read: Read) -> None:
    os.mkfifo(folder / "train/cat/pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "train/dog/socket.png"))
        assert read(folder) == ("2 files left out: 2 pipes, sockets or devices",)


@both
def test_pictures_in_folders_within_those_of_the_classes_are_read_and_said(
    folder: Path, read: Read
) -> None:
    before = look_through(folder).read(8).train.images.tolist()
    (folder / "train/cat/x.png").mkdir()
    (folder / "train/cat/1.png").rename(folder / "train/cat/x.png/1.png")
    assert read(folder) == ("1 picture read from folders within those of the classes",)
    raw = look_through(folder).read(8)
    assert raw.train.images.tolist() == before
    assert raw.train.names == ("train/cat/0.png", "train/cat/x.png/1.png", *raw.train.names[2:])
    files = list_folder(folder).files["train"]
    assert [files.name(i) for i in (0, 1)] == ["0.png", "x.png/1.png"]


@pytest.mark.parametrize(
    "suffix",
    ["pgm", "ppm", "pnm", "jfif", "jpe", "JPG", "jp2", "tif", "webp", "bmp", "tga", "avif"],
)
def test_pictures_of_every_usual_suffix_are_read(folder: Path, suffix: str) -> None:
    path = folder / f"train/cat/2.{suffix}"
    kind = {"jfif": "JPEG", "jpe": "JPEG", "pnm": "PPM"}.get(suffix)
    try:
        Image.new("L", (8, 8), 77).save(path, kind)
    except (KeyError, OSError, ValueError):
        pytest.skip(f"this Pillow writes no .{suffix}")
    raw = look_through(folder).read(8)
    assert len(raw.train) == 5
    assert abs(int(raw.train.images[2].max()) - 77) < 3
    assert raw.notes == ()


@both
def test_what_is_no_picture_is_counted_by_suffix_and_what_systems_leave_is_not(
    folder: Path, read: Read
) -> None:
    for name in ("1.dcm", "2.DCM", "3.dcm", "a.txt", "b.heic", "x.tif.gz", "x.svg", "x.npy"):
        (folder / "train/cat" / name).touch()
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "._0.png"):
        (folder / "train/dog" / name).touch()
    (folder / "__MACOSX/train/cat").mkdir(parents=True)
    (folder / "train/.ipynb_checkpoints").mkdir()
    (folder / "readme").touch()
    (folder / "extra").mkdir()
    shutil.copy(folder / "train/dog/0.png", folder / "train/stray.png")
    files, *others = read(folder)
    assert files.startswith("9 files left out: 3 .dcm, 1 ")
    assert files.endswith(", and 3 suffixes more")
    assert others == [
        "1 picture left out, in no folder of a class",
        "1 folder left out: 'extra'",
    ]


@pytest.mark.parametrize("name", ["valid", "Validation", "dev", "VAL", "val_set", "val2017"])
def test_other_names_of_the_validation_set_are_understood_and_said(folder: Path, name: str) -> None:
    before = look_through(folder).read(8)
    (folder / "val").rename(folder / name)
    raw = look_through(folder).read(8)
    assert raw.val is not None
    assert before.val is not None
    assert raw.val.images.tolist() == before.val.images.tolist()
    assert raw.notes == (f"{name} is read as val",)


def test_other_names_of_train_and_test_are_understood_too(folder: Path) -> None:
    (folder / "train").rename(folder / "Training")
    (folder / "val").rename(folder / "testing")
    raw = look_through(folder).read(8)
    assert raw.val is None
    assert raw.test is not None
    assert raw.notes == ("Training is read as train", "testing is read as test")
    assert raw.train.names[0] == "Training/cat/0.png"


def test_two_folders_for_one_part_are_refused_naming_both(folder: Path) -> None:
    shutil.copytree(folder / "val", folder / "valid")
    assert "has 'val' and 'valid', which both mean val, expected one" in refusal(images, folder)


def test_a_folder_that_may_mean_either_part_is_refused(folder: Path) -> None:
    (folder / "val").rename(folder / "eval")
    assert "has 'eval', which may mean validation or test; rename" in refusal(images, folder)


def test_a_streamed_folder_is_told_what_to_rename(folder: Path) -> None:
    (folder / "val").rename(folder / "validation")
    assert "val is missing; rename 'validation' to val" in refusal(imagenet, folder)


@both
def test_names_that_look_the_same_are_told_apart_in_words(folder: Path, read: Read) -> None:
    for part, form in (("train", "NFC"), ("val", "NFD")):
        (folder / part / "dog").rename(folder / part / unicodedata.normalize(form, "Äpfel"))
    said = refusal(read, folder)
    assert "has the same letters as a class of train, composed differently" in said
    shutil.copytree(folder / "val/cat", folder / "train" / unicodedata.normalize("NFD", "Äpfel"))
    assert "of the same letters, composed differently; rename one" in refusal(read, folder)


@both
def test_a_class_that_differs_in_capitals_is_told_so(folder: Path, read: Read) -> None:
    (folder / "val/dog").rename(folder / "val/Dog")
    assert "val/Dog is called 'dog' in train; rename one" in refusal(read, folder)


@both
def test_a_long_list_of_classes_is_cut(folder: Path, read: Read) -> None:
    for number in range(200):
        save(folder / f"train/{number:03}/0.png", Image.new("L", (8, 8)))
    (folder / "val/eel").mkdir()
    said = refusal(read, folder)
    assert "expected '000', '001', '002', ... (202 of them)" in said
    assert len(said) < 300


def test_pictures_without_class_folders_are_counted(folder: Path) -> None:
    for path in (folder / "train").glob("*/*"):
        path.rename(folder / "train" / f"{path.parent.name}{path.name}")
    for name in ("cat", "dog"):
        (folder / "train" / name).rmdir()
    said = refusal(images, folder)
    assert "train has 0 class folders and 4 pictures in no class's folder, expected" in said


def test_classes_outside_of_train_are_told_where_to_go(folder: Path) -> None:
    for name in ("cat", "dog"):
        (folder / "train" / name).rename(folder / name)
    shutil.rmtree(folder / "train")
    shutil.rmtree(folder / "val")
    said = refusal(images, folder)
    assert "train is missing, expected a folder of pictures for each class; if 'cat', 'dog'" in said


def test_a_folder_around_the_data_set_is_told_to_name_the_inner_one(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "around/inner")
    assert f"there is one in {tmp_path / 'around/inner'}: name" in refusal(
        images, tmp_path / "around"
    )


def test_a_validation_set_without_any_picture_is_refused(folder: Path) -> None:
    shutil.rmtree(folder / "val/cat")
    for path in (folder / "val/dog").iterdir():
        path.unlink()
    assert "val has no pictures in class folders; add some or remove it" in refusal(images, folder)


def test_names_with_newlines_and_quotes_are_read_and_said_in_one_line(folder: Path) -> None:
    odd = 'it\'s a "dog"\n'
    for part in LISTED_PARTS:
        (folder / part / "dog").rename(folder / part / odd)
    raw = look_through(folder).read(8)
    assert raw.classes == ("cat", odd)
    (folder / "train" / odd / "0.png").write_text("noise")
    assert "cannot be read as a picture (no format that is known)" in refusal(images, folder)


def test_every_image_knows_its_name_also_when_some_are_taken(folder: Path) -> None:
    train = look_through(folder).read(8).train
    assert train.names == tuple(f"train/{name}/{n}.png" for name in ("cat", "dog") for n in (0, 1))
    assert train.take(np.array([False, True, False, True])).names == train.names[1::2]


@pytest.mark.parametrize("name", ["my.npz", "."])
def test_a_file_of_arrays_that_may_not_be_read_is_neither_damaged_nor_gone(
    folder: Path, name: str, close: Callable[[Path, int], None]
) -> None:
    images = np.arange(4 * 64, dtype=np.uint8).reshape(4, 8, 8)
    np.savez(folder / "my.npz", train_images=images, train_labels=np.array([0, 1, 0, 1]))
    close(folder / name, 0)
    with pytest.raises(DataError, match=r"my\.npz: Permission denied"):
        read_npz(folder / "my.npz")


def test_a_file_of_arrays_in_a_closed_folder_is_not_taken_for_gone(
    folder: Path, close: Callable[[Path, int], None]
) -> None:
    (folder / "my.npz").touch()
    close(folder, 0)
    with pytest.raises(DataError, match=r"cannot read .*: Permission denied"):
        npz_fingerprint(folder / "my.npz")


@both
def test_a_link_to_a_class_that_leads_nowhere_is_named_whatever_its_name(
    folder: Path, read: Read
) -> None:
    (folder / "train/eel.v2").symlink_to("/nowhere/eel.v2")
    assert "eel.v2: No such file or directory; the link" in refusal(read, folder)


def test_an_empty_picture_is_named_even_where_pictures_are_only_listed(folder: Path) -> None:
    (folder / "val/cat/0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"cat/0\.png cannot be read as a picture \(the file is em"):
        list_folder(folder)


def test_a_class_that_became_empty_changes_the_folder(folder: Path) -> None:
    before = look_through(folder).fingerprint
    (folder / "train/zebra").mkdir()
    assert look_through(folder).fingerprint != before


def test_grey_pictures_of_16_bits_with_transparency_are_refused_by_name(folder: Path) -> None:
    values = np.arange(64, dtype=">u2").reshape(8, 8) * 60
    rows = b"".join(
        b"\0" + np.stack([row, np.full(8, 65535, ">u2")], axis=1).tobytes() for row in values
    )
    png = b"\x89PNG\r\n\x1a\n"
    for kind, content in (
        (b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 4, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        check = zlib.crc32(kind + content)
        png += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
    (folder / "train/cat/0.png").write_bytes(png)
    with pytest.raises(DataError, match=r"cat/0\.png has grey values of 16 bits with transpar"):
        look_through(folder).read(8)
