"""Random folders of pictures, prepared as `images:` and as `imagenet:`."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emtnas_hpc.data.dataset import Prepared, Streamed
from emtnas_hpc.data.images import SPLITS
from emtnas_hpc.data.pictures import decode
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.errors import EmtnasError
from emtnas_hpc.runner.context import log_to
from emtnas_hpc.settings.experiment import TaskSettings
from fuzzing.picture_files import DEEP, damaged, deep_file, shallow_file

SIZE = 8

_PARTS = {
    "train": ("train", "train", "train", "Train", "training"),
    "val": ("val", "valid", "validation", "VAL", "Dev"),
    "test": ("test", "test", "Test", "testing", "test_set"),
}
_CLASSES = ("cat", "dog", "Dog", "Äpfel", "A\u0308pfel", "two words", "it's", 'a "b"', "new\nline")
_NOT_TEXT = b"caf\xe9"
_OTHER_FILES = (
    "a.txt",
    "b.dcm",
    "c.npy",
    "d.heic",
    "noise",
    ".hidden.png",
    "Thumbs.db",
    "e.tif.gz",
)


@dataclass
class _Made:
    """What a folder was filled with.

    Attributes:
        n_pictures: that must be read, or one of them named in a refusal.
        is_deep: whether its pictures have more than 8 bits.
        is_plain: whether nothing was done that may be refused.
        closed: what may not be read, with its mode before.
    """

    n_pictures: int = 0
    is_deep: bool = False
    is_plain: bool = True
    closed: dict[Path, int] = field(default_factory=dict)


def fuzz_one(rng: random.Random, folder: Path) -> None:
    """Prepares one random folder twice.

    Raises:
        AssertionError: an image is lost or destroyed, or a refusal is no clear line.
    """
    streamed = rng.random() < 0.35
    source, data_dir = folder / "pictures", folder / "data"
    made = _fill(rng, source, streamed)
    # Whoever obeys modes must be able to work here.
    for path in (folder, data_dir):
        path.mkdir(exist_ok=True)
        path.chmod(0o777)
    kind = "imagenet" if streamed else "images"
    task = TaskSettings(source=f"{kind}:{source}", image_size=SIZE)
    lines: list[str] = []
    with _obeying(made.closed):
        refused = ""
        try:
            with log_to(lines.append):
                data = prepare("mine", task, data_dir)
        except EmtnasError as error:
            refused = str(error)
        for line in (*lines, refused or "no refusal"):
            _check_line(line)
        if refused:
            assert not made.is_plain, f"a good folder was refused: {refused}"
            return
        if isinstance(data, Prepared):
            _check_arrays(data, made, lines)
        else:
            assert isinstance(data, Streamed)
            _check_list(data, made, lines)
        again: list[str] = []
        with log_to(again.append):
            digest = prepare("mine", task, data_dir).digest
        assert digest == data.digest, "prepared again, the same folder is another data set"
        assert not any("preparing" in line for line in again), f"prepared twice: {again[0]}"


def _check_line(line: str) -> None:
    assert line.isprintable(), f"a line that is none: {line!r}"
    assert line, "an empty line"
    assert "unexpected" not in line, line
    assert len(line) < 1000, f"a line of {len(line)} characters: {line[:200]}"


def _check_arrays(data: Prepared, made: _Made, lines: list[str]) -> None:
    n = 0
    for split in SPLITS:
        images = data.load(split)
        n += len(images)
        expected = (data.n_images(split), SIZE, SIZE, data.image_channels)
        assert images.images.shape == expected, f"{split}: {images.images.shape}, not {expected}"
        assert images.images.dtype == np.uint8
        assert set(images.labels.tolist()) <= set(range(data.n_classes))
        doubted = any(f"WARNING: in {split} " in line for line in lines)
        for label in set(images.labels.tolist()):
            of_class = images.images[images.labels == label]
            assert doubted or of_class.min() < of_class.max(), f"{split}: class {label} is flat"
            share = np.bincount(of_class.reshape(-1)).max() / of_class.size
            # Every picture is of noise; in bits alone, half of it is of one value.
            assert doubted or not made.is_deep or share < 0.6, f"{split}: {share:.0%} is one value"
    _check_number(n, made, lines)


def _check_list(data: Streamed, made: _Made, lines: list[str]) -> None:
    n = 0
    for split in ("train", "test"):
        files = data.files(split)
        n += len(files)
        for picture in data.pictures(split, files, np.arange(len(files))):
            try:
                assert len(decode(picture, SIZE)) == SIZE * SIZE * 3
            except EmtnasError as error:
                _check_line(str(error))
    _check_number(n, made, lines)


def _check_number(n: int, made: _Made, lines: list[str]) -> None:
    said = any("left out" in line for line in lines)
    assert n <= made.n_pictures
    assert n == made.n_pictures or said, f"{n} of {made.n_pictures} pictures are read, not a word"


def _fill(rng: random.Random, folder: Path, streamed: bool) -> _Made:
    made = _Made()
    classes = rng.sample(_CLASSES, rng.randint(2, 3))
    if {"Äpfel", "A\u0308pfel"} <= set(classes):
        made.is_plain = False
    depth = rng.choice([None] * (40 if streamed else 6) + [*DEEP])
    made.is_deep = depth is not None
    if streamed and depth:
        made.is_plain = False
    for part in _drawn_parts(rng, streamed, made):
        for name in classes:
            n = rng.randint(1, 3) if part[1] else rng.randint(7, 9)
            if rng.random() < 0.01:
                n, made.is_plain = 0, False
            within = folder / part[0] / name
            within.mkdir(parents=True, exist_ok=True)
            for number in range(n):
                _add_picture(rng, within, number, depth, made)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        # What is closed cannot be looked through for the next place.
        if not made.closed:
            _add_oddity(rng, folder, made)
    return made


def _drawn_parts(rng: random.Random, streamed: bool, made: _Made) -> list[tuple[str, bool]]:
    """Names of folders, and whether all parts are there, so that few pictures do."""
    if streamed:
        names = ["train", "val"]
    else:
        there = ["train", *(part for part in ("val", "test") if rng.random() < 0.85)]
        names = [rng.choice(_PARTS[part]) for part in there]
    if rng.random() < 0.05:
        names[-1], made.is_plain = rng.choice(("eval", "pictures", "Training", "vals")), False
    return [(name, len(names) == 3 or streamed) for name in names]


def _add_picture(
    rng: random.Random, folder: Path, number: int, depth: str | None, made: _Made
) -> None:
    if rng.random() < 0.002:
        # One of another depth than the others.
        depth, made.is_plain = rng.choice([None, *DEEP]), False
    suffix, content, can_be_read = deep_file(rng, depth) if depth else shallow_file(rng)
    made.is_plain = made.is_plain and can_be_read
    if rng.random() < 0.005:
        content, made.is_plain = damaged(rng, content), False
    within = folder / "session" if rng.random() < 0.02 else folder
    within.mkdir(exist_ok=True)
    (within / f"{number}.{suffix}").write_bytes(content)
    made.n_pictures += 1


def _add_oddity(rng: random.Random, folder: Path, made: _Made) -> None:
    """One thing that data sets have, and none should."""
    below = [path for path in folder.rglob("*") if path.is_dir()]
    place = rng.choice([folder, *below])
    entry = place / rng.choice(("0000.png", "odd.jpg", "odd", "odd.txt"))
    kind = rng.randrange(9)
    if os.path.lexists(entry):
        return
    if kind < 2:
        (place / rng.choice(_OTHER_FILES)).write_bytes(b"x")
        return
    made.is_plain = False
    if kind == 2:
        entry.symlink_to(rng.choice(("/nowhere/x.png", entry.name, "..", ".")))
    elif kind == 3:
        os.mkfifo(entry)
    elif kind == 4:
        entry.mkdir(exist_ok=True)
    elif kind == 5:
        within = Path(os.fsdecode(os.fsencode(place) + b"/" + _NOT_TEXT))
        within.mkdir(exist_ok=True)
    elif kind == 6:
        made.closed[place] = place.stat().st_mode
        place.chmod(rng.choice((0, 0o111, 0o444)))
    elif kind == 7:
        files = [path for path in place.iterdir() if path.is_file()]
        for path in files[:1]:
            made.closed[path] = path.stat().st_mode
            path.chmod(0)
    else:
        place = rng.choice(below)
        place.rename(place.with_name(place.name + rng.choice(("2", " copy", "\n", "_old"))))


@contextmanager
def _obeying(closed: dict[Path, int]) -> Iterator[None]:
    """Root is held to the modes of files as anybody else is."""
    is_root = bool(closed) and os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for path, mode in closed.items():
            path.chmod(mode)
