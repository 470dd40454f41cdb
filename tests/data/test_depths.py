"""Pictures of every depth and transparency: one rule for a data set, and nothing destroyed."""

import hashlib
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from emtnas_hpc.data.image_folder import look_through
from emtnas_hpc.data.images import Crop, PictureFile
from emtnas_hpc.data.pictures import decode
from emtnas_hpc.errors import DataError

SIZE = 8


def save(path: Path, picture: "Image.Image | bytes", **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(picture, bytes):
        path.write_bytes(picture)
    else:
        picture.save(path, **options)
    return path


def grain(low: float, high: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, (SIZE, SIZE))


def tiff(values: np.ndarray, sample_format: int, photometric: int = 1) -> bytes:
    """A TIFF of one strip, also of values that Pillow does not write."""
    data, (height, width) = values.tobytes(), values.shape
    tags = [
        *((256, width), (257, height), (258, values.itemsize * 8), (259, 1), (262, photometric)),
        *((273, 8 + 2 + 10 * 12 + 4), (277, 1), (278, height), (279, len(data))),
        (339, sample_format),
    ]
    entries = b"".join(struct.pack("<HHII", number, 4, 1, value) for number, value in tags)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4) + data


def looked_at(picture: Path, crop: Crop | None = None) -> bytes:
    return decode(PictureFile(str(picture), picture.stat().st_size, crop), SIZE)


#: Suffix, type, factor and offset of values from 0 to 1, and a TIFF's sample format.
DEEP = {
    "16-bit PNG": ("png", "u2", 65535, 0, None),
    "12 bits in 16": ("png", "u2", 4095, 0, None),
    "10 bits far from 0": ("png", "u2", 1023, 32768, None),
    "16-bit TIFF": ("tif", "u2", 65535, 0, None),
    "signed 16-bit TIFF": ("tif", "<i2", 4000, -1000, 2),
    "32-bit TIFF": ("tiff", "i4", 1_000_000, 0, None),
    "32-bit TIFF below 0": ("tif", "i4", 4000, -1000, None),
    "unsigned 32-bit TIFF": ("tif", "<u4", 4e9, 0, 1),
    "floats of 0 to 1": ("tif", "f4", 1, 0, None),
    "floats below 0": ("tif", "f4", 3, -2, None),
    "tiny floats": ("tif", "f4", 1e-6, 0, None),
    "16-bit PGM": ("pgm", "u2", 65535, 0, None),
    "PFM": ("pfm", "f4", 1, 0, None),
}


def deep_picture(kind: str, low: float, high: float, seed: int) -> "Image.Image | bytes":
    _suffix, dtype, factor, offset, sample_format = DEEP[kind]
    values = (grain(low, high, seed) * factor + offset).astype(dtype)
    return Image.fromarray(values) if sample_format is None else tiff(values, sample_format)


def two_classes(folder: Path, kind: str) -> Path:
    for number in range(3):
        for name, low in (("dark", 0.0), ("light", 0.5)):
            picture = deep_picture(kind, low, low + 0.5, number)
            save(folder / f"train/{name}/{number}.{DEEP[kind][0]}", picture)
    return folder


@pytest.mark.parametrize("kind", DEEP)
def test_pictures_of_more_than_8_bits_keep_what_is_to_be_seen(tmp_path: Path, kind: str) -> None:
    raw = look_through(two_classes(tmp_path, kind)).read(SIZE)
    assert raw.train.images.shape == (6, SIZE, SIZE, 1)
    assert (raw.train.images.min(), raw.train.images.max()) == (0, 255)
    for number in range(3):
        expected = np.rint(255 * grain(0, 0.5, number))
        # The least and the largest value that occur are nearly 0 and 1.
        assert np.abs(raw.train.images[number, ..., 0] - expected).max() <= 4
    assert np.unique(raw.train.images).size > 100
    assert raw.conversion.endswith(" brought to 0 to 255")


def test_one_rule_serves_all_parts(tmp_path: Path) -> None:
    two_classes(tmp_path, "12 bits in 16")
    bright = np.full((SIZE, SIZE), 60_000, np.uint16)
    for name in ("dark", "light"):
        save(tmp_path / f"test/{name}/0.png", Image.fromarray(bright))
    raw = look_through(tmp_path).read(SIZE)
    assert raw.test is not None
    assert raw.test.images.min() == 255
    assert raw.train.images.max() < 20
    assert raw.conversion.startswith("16-bit values ")
    assert " to 60,000 brought" in raw.conversion


def test_pictures_of_different_depths_are_refused_with_one_of_each(tmp_path: Path) -> None:
    two_classes(tmp_path, "16-bit PNG")
    save(tmp_path / "train/light/9.png", Image.new("L", (8, 8)))
    with pytest.raises(DataError) as caught:
        look_through(tmp_path).read(SIZE)
    message = str(caught.value)
    assert "train/dark/0.png is 16-bit and " in message
    assert "train/light/9.png is 8-bit, expected one depth" in message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pixels_that_are_no_numbers_are_refused_by_file(tmp_path: Path, value: float) -> None:
    two_classes(tmp_path, "floats of 0 to 1")
    pixels = grain(0, 1, 0).astype(np.float32)
    pixels[3, 3] = value
    save(tmp_path / "train/dark/1.tif", Image.fromarray(pixels))
    with pytest.raises(DataError, match=r"dark/1\.tif has pixels that are not finite"):
        look_through(tmp_path).read(SIZE)


def test_signed_values_of_8_bits_are_refused_by_file(tmp_path: Path) -> None:
    two_classes(tmp_path, "16-bit PNG")
    save(tmp_path / "train/dark/0.tif", tiff(np.full((8, 8), -3, np.int8), 2))
    with pytest.raises(DataError, match=r"dark/0\.tif has signed 8-bit values, expected 0 to 255"):
        look_through(tmp_path).read(SIZE)


def test_a_tiff_of_a_kind_that_is_not_known_is_refused_with_what_to_do(tmp_path: Path) -> None:
    two_classes(tmp_path, "16-bit TIFF")
    save(tmp_path / "train/dark/0.tif", tiff(np.zeros((8, 8), np.float16), 3))
    with pytest.raises(DataError, match=r"dark/0\.tif .*\(a TIFF with values of a kind"):
        look_through(tmp_path).read(SIZE)


def test_a_tiff_whose_white_is_0_is_turned_round(tmp_path: Path) -> None:
    for name in ("a", "b"):
        values = np.tile(np.arange(0, 800, 100, dtype="<u2"), (SIZE, 1))
        save(tmp_path / f"train/{name}/0.tif", tiff(values, 1, photometric=0))
    images = look_through(tmp_path).read(SIZE).train.images
    assert images[0, 0, :, 0].tolist() == [255, 219, 182, 146, 109, 73, 36, 0]


def cross() -> np.ndarray:
    inside = np.zeros((SIZE, SIZE), np.uint8)
    inside[3:5] = inside[:, 3:5] = 255
    return inside


def transparent_picture(kind: str) -> tuple[Image.Image, dict[str, Any]]:
    """A black cross on nothing."""
    black, opacity = Image.new("L", (SIZE, SIZE), 0), Image.fromarray(cross())
    layered = Image.merge("LA", (black, opacity))
    indexed = Image.fromarray(255 - cross()).point(lambda value: int(value > 0))
    match kind:
        case "LA":
            return layered, {}
        case "RGBA" | "PA":
            return layered.convert("RGBA").convert(kind), {}
        case "P" | "L" | "1":
            # What is not the cross is the value 1, or 255 of a bit, and that is transparent.
            if kind == "P":
                indexed.putpalette([0, 0, 0, 0, 0, 0])
            value = 255 if kind == "1" else 1
            return indexed.point(lambda v: 255 * v).convert("1") if kind == "1" else indexed, {
                "transparency": value
            }
        case _:
            coloured = Image.merge("RGB", (indexed,) * 3)
            return coloured, {"transparency": (1, 1, 1)}


@pytest.mark.parametrize("kind", ["LA", "RGBA", "PA", "P", "L", "1", "RGB"])
def test_transparent_pixels_are_laid_over_white(tmp_path: Path, kind: str) -> None:
    picture, options = transparent_picture(kind)
    suffix = "tif" if kind == "PA" else "png"
    for name in ("a", "b"):
        save(tmp_path / f"train/{name}/0.{suffix}", picture, **options)
    raw = look_through(tmp_path).read(SIZE)
    assert np.array_equal(raw.train.images[0, ..., 0], 255 - cross())
    assert raw.train.images.shape[3] == (1 if kind in ("L", "LA", "1") else 3)
    assert raw.conversion == "transparent pixels over white"
    assert raw.notes == ("2 pictures transparent in parts, laid over white",)
    streamed = np.frombuffer(looked_at(tmp_path / f"train/a/0.{suffix}"), np.uint8)
    assert streamed.min() == 0
    assert streamed.max() == 255


def test_a_transparent_value_of_16_bits_is_white_and_no_part_of_the_range(tmp_path: Path) -> None:
    values = np.where(cross() > 0, np.arange(SIZE) * 100, 65535).astype(np.uint16)
    for name in ("a", "b"):
        save(tmp_path / f"train/{name}/0.png", Image.fromarray(values), transparency=65535)
    raw = look_through(tmp_path).read(SIZE)
    assert raw.conversion.startswith("16-bit values 0 to 700 brought")
    assert raw.train.images[0, 0, 0, 0] == 255
    assert raw.train.images[0, 3, :, 0].tolist() == [0, 36, 73, 109, 146, 182, 219, 255]


@pytest.mark.parametrize("kind", ["16-bit PNG", "floats of 0 to 1", "32-bit TIFF below 0"])
def test_a_streamed_picture_of_more_than_8_bits_is_refused_by_file(
    tmp_path: Path, kind: str
) -> None:
    path = save(tmp_path / f"picture.{DEEP[kind][0]}", deep_picture(kind, 0, 1, 0))
    with pytest.raises(DataError, match=r"picture\.\w+ has .* values, expected pictures of 8 bits"):
        looked_at(path)


def test_of_several_frames_the_first_is_read_and_said(tmp_path: Path) -> None:
    frames = [Image.new("L", (8, 8), level) for level in (10, 200, 250)]
    for name, suffix in (("a", "gif"), ("b", "tif")):
        path = tmp_path / f"train/{name}/0.{suffix}"
        save(path, frames[0], save_all=True, append_images=frames[1:])
    raw = look_through(tmp_path).read(SIZE)
    assert raw.train.images.max() == 10
    assert raw.notes == ("2 pictures with several frames, of which the first is read",)


def png_of_16_bit_colours() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = b"".join(b"\0" + bytes([value, 7] * 3 * 8) for value in range(0, 240, 30))
    head = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def test_colours_of_16_bits_are_read_by_their_upper_8_and_said(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / f"train/{name}/0.png", png_of_16_bit_colours())
    raw = look_through(tmp_path).read(SIZE)
    assert raw.train.images[0, :, 0, 0].tolist() == list(range(0, 240, 30))
    assert raw.notes == ("2 pictures of 16 bits in colour, of which the upper 8 are read",)


@pytest.mark.parametrize(
    "exif",
    [b"Exif\0\0nonsense", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x05\0\x01\0\0\0\xff\0\0\0"],
)
def test_exif_that_is_nonsense_says_nothing_of_a_picture(tmp_path: Path, exif: bytes) -> None:
    for name in ("a", "b"):
        save(tmp_path / f"train/{name}/0.jpg", Image.new("L", (8, 8), 50), exif=exif)
    assert look_through(tmp_path).read(SIZE).train.images.min() == 50


def test_a_pointer_of_git_lfs_is_told_to_be_fetched(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    for name in ("a", "b"):
        save(tmp_path / f"train/{name}/0.png", pointer)
    with pytest.raises(DataError, match=r"0\.png .* pointer of Git LFS; .* git lfs pull"):
        look_through(tmp_path).read(SIZE)


@pytest.mark.slow
def test_a_picture_that_is_too_large_is_refused_by_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save(tmp_path / f"train/{name}/0.png", Image.new("L", (8, 8), 50))
    save(tmp_path / "train/b/huge.png", Image.new("1", (20_000, 20_000)))
    with pytest.raises(DataError, match=r"huge\.png .*more than 178 million pixels; scale it down"):
        look_through(tmp_path).read(SIZE)
    with pytest.raises(DataError, match=r"huge\.png .*more than 178 million pixels"):
        looked_at(tmp_path / "train/b/huge.png")


def test_a_streamed_thread_of_pixels_is_refused_before_it_becomes_a_wall(tmp_path: Path) -> None:
    path = save(tmp_path / "thread.png", Image.new("L", (1, 1_000_000)))
    with pytest.raises(DataError, match=r"thread\.png is 1 x 1000000, too long and narrow"):
        decode(PictureFile(str(path), path.stat().st_size, None), 224)


def write_shallow(folder: Path, kinds: tuple[str, ...]) -> None:
    """Pictures of 8 bits that hide nothing; each kind as its own converter makes it."""
    rng = np.random.default_rng(5)
    for split, n in (("train", 6), ("test", 2)):
        for label in ("cats", "dogs"):
            for i in range(n):
                colours = rng.integers(0, 256, (*rng.integers(6, 20, 2), 3), np.uint8)
                kind, picture = kinds[i % len(kinds)], Image.fromarray(colours)
                picture = picture.convert("L") if kind == "LA" else picture
                suffix = "tif" if kind == "CMYK" else ("bmp" if i == 0 else "png")
                save(folder / split / label / f"{i}.{suffix}", picture.convert(kind))


@pytest.mark.parametrize(
    ("kinds", "n_channels", "train", "test", "streamed"),
    [
        (
            *(("L", "LA", "1"), 1),
            *("14c9b45e00af1ae2", "75eef1d6283f5887", "fce2b3bd03d227c9"),
        ),
        (
            *(("RGB", "L", "RGBA", "P", "CMYK", "LA"), 3),
            *("8b9a7715b14f1ed6", "239a302168425c6a", "a4b6919d25a99982"),
        ),
    ],
)
def test_opaque_pictures_of_8_bits_become_the_same_images_for_ever(
    tmp_path: Path, kinds: tuple[str, ...], n_channels: int, train: str, test: str, streamed: str
) -> None:
    write_shallow(tmp_path, kinds)
    raw = look_through(tmp_path).read(SIZE)
    assert raw.test is not None
    assert raw.train.images.shape == (12, SIZE, SIZE, n_channels)
    for images, expected in ((raw.train, train), (raw.test, test)):
        content = images.images.tobytes() + images.labels.tobytes()
        assert hashlib.sha256(content).hexdigest()[:16] == expected
    digest = hashlib.sha256()
    for path in sorted(tmp_path.glob("*/*/*")):
        for crop in (None, Crop((0.5,), (1.0,), (0.3, 0.6), flip=True)):
            digest.update(looked_at(path, crop))
    assert digest.hexdigest()[:16] == streamed
    assert (raw.conversion, raw.notes) == ("", ())
