import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emtnas_hpc.data.folders import list_folder
from emtnas_hpc.data.prepare import records_of
from emtnas_hpc.errors import DataError


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where anybody may look; what pytest makes is closed to everybody but its owner."""
    with tempfile.TemporaryDirectory(prefix="pictures-") as place:
        yield filled(Path(place))


def filled(place: Path) -> Path:
    for part, names in (("train", ("10.JPEG", "2.JPEG", "9.png")), ("val", ("v.jpg",))):
        for label in ("dog", "cat"):
            (place / part / label).mkdir(parents=True)
            for name in names:
                (place / part / label / name).write_text(name * 2)
    return place


def test_classes_and_pictures_are_taken_in_the_order_of_their_names(folder: Path) -> None:
    listing = list_folder(folder)
    files = listing.files["train"]
    assert listing.classes == ("cat", "dog")
    assert files.names.tolist() == [b"10.JPEG", b"2.JPEG", b"9.png"] * 2
    assert files.sizes.tolist() == [14, 12, 10] * 2
    assert files.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_names_that_are_no_text_are_listed_as_they_are(folder: Path) -> None:
    (folder / "train/cat" / os.fsdecode(b"\xff\xfe.JPEG")).write_text("x")
    files = list_folder(folder).files["train"]
    assert os.fsencode(files.name(3)) == b"\xff\xfe.JPEG"


def test_files_that_are_no_pictures_are_counted_and_hidden_ones_ignored(folder: Path) -> None:
    (folder / "train/cat/notes.txt").write_text("x")
    (folder / "train/cat/.hidden.JPEG").write_text("x")
    (folder / "train/.cache").mkdir()
    listing = list_folder(folder)
    assert listing.classes == ("cat", "dog")
    assert len(listing.files["train"]) == 6
    assert listing.notes == ("1 file left out: 1 .txt",)


def flatten(folder: Path) -> None:
    """As the official validation archive unpacks."""
    shutil.rmtree(folder / "val")
    (folder / "val").mkdir()
    (folder / "val/ILSVRC2012_val_00000001.JPEG").write_text("x")


def empty(folder: Path) -> None:
    for path in (folder / "val/dog").iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: shutil.rmtree(f / "val"), "val is missing; expected train/CLASS/*.JPEG and val"),
        (lambda f: shutil.rmtree(f / "train"), "train is missing; expected train/CLASS/*.JPEG"),
        (flatten, "val has no class folders; expected train/CLASS/*.JPEG and val/CLASS/*.JPEG"),
        (lambda f: shutil.rmtree(f / "val/cat"), "val has no class 'cat', as train has; expected"),
        (lambda f: shutil.rmtree(f / "train/cat"), "train has 1 class folders, expected at least"),
        (
            lambda f: (f / "val/eel").mkdir(),
            "val/eel is a class that train has not; expected 'cat', 'dog'; expected",
        ),
        (empty, "val/dog has no pictures; expected train/CLASS"),
    ],
)
def test_another_layout_is_refused_in_a_line_that_says_which_is_expected(
    folder: Path, change: Callable[[Path], object], said: str
) -> None:
    change(folder)
    with pytest.raises(DataError) as caught:
        list_folder(folder)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_class_folder_whose_name_is_no_text_is_named(folder: Path) -> None:
    for part in ("train", "val"):
        (folder / part / os.fsdecode(b"caf\xe9")).mkdir()
    with pytest.raises(DataError) as caught:
        list_folder(folder)
    assert "train/caf\\udce9' has a name that is not UTF-8, expected" in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_picture_that_leads_nowhere_is_named_itself(folder: Path) -> None:
    (folder / "train/cat/broken.JPEG").symlink_to("gone.JPEG")
    with pytest.raises(DataError, match=r"train/cat/broken\.JPEG: No such file"):
        list_folder(folder)


@pytest.fixture
def few_rights(folder: Path) -> Iterator[None]:
    """Root may do everything; for anybody else permissions count as they are."""
    is_root = os.geteuid() == 0
    if is_root:
        folder.chmod(0o755)
        os.seteuid(65534)
    yield
    if is_root:
        os.seteuid(0)
    for path in (folder / "train", folder / "val"):
        path.chmod(0o755)


@pytest.mark.parametrize(("shut", "mode"), [("train", 0o111), ("train", 0o444), ("val", 0o000)])
def test_a_folder_that_may_not_be_read_is_named(
    folder: Path, request: pytest.FixtureRequest, shut: str, mode: int
) -> None:
    (folder / shut).chmod(mode)
    request.getfixturevalue("few_rights")
    with pytest.raises(DataError, match=rf"/{shut}: Permission denied"):
        list_folder(folder)


def test_a_list_of_the_usual_layout_is_the_same_for_ever(folder: Path) -> None:
    records = {name: each.sha256[:12] for name, each in records_of(list_folder(folder)).items()}
    assert records == {
        "train_names.npy": "f2bed51d0734",
        "train_sizes.npy": "6eceb228e176",
        "train_labels.npy": "7a1fcdc5fc33",
        "test_names.npy": "bee1ab15c95e",
        "test_sizes.npy": "ec9f53692b98",
        "test_labels.npy": "edf57b3e7cc4",
    }
