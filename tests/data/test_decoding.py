from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emtnas_hpc.data.images import Crop, PictureFile
from emtnas_hpc.data.pictures import decode
from emtnas_hpc.errors import DataError

WHOLE = ((1.0,), (1.0,), (0.0, 0.0))


def listed(path: Path, crop: Crop | None = None) -> PictureFile:
    return PictureFile(str(path), path.stat().st_size, crop)


def pixels(picture: PictureFile, size: int) -> np.ndarray:
    return np.frombuffer(decode(picture, size), np.uint8).reshape(size, size, 3)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "1", "CMYK"])
def test_whatever_a_file_has_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("picture.tiff" if mode == "CMYK" else "picture.png")
    picture = Image.new("RGB", (40, 30), (255, 255, 255))
    (picture.convert("L").convert(mode) if mode == "LA" else picture.convert(mode)).save(path)
    assert pixels(listed(path), 16).tolist() == np.full((16, 16, 3), 255).tolist()


def test_a_crop_is_scaled_and_mirrored_as_it_was_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 20, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "picture.png")
    for flip in (False, True):
        seen = pixels(listed(tmp_path / "picture.png", Crop(*WHOLE, flip=flip)), 20)
        assert np.array_equal(seen, image[:, ::-1] if flip else image)
    quarter = Crop((0.25,), (1.0,), (0.999, 0.0), flip=False)
    seen = pixels(listed(tmp_path / "picture.png", quarter), 10)
    assert np.array_equal(seen, image[:10, 10:])


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.JPEG: No such file"):
        decode(PictureFile(str(tmp_path / "gone.JPEG"), 3, None), 8)


def test_a_file_that_has_changed_since_it_was_listed_is_named(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.new("RGB", (8, 8)).save(path)
    with pytest.raises(DataError, match=r"picture\.png has \d+ bytes, expected 3 as when it was"):
        decode(PictureFile(str(path), 3, None), 8)


@pytest.mark.parametrize("what", ["noise", "cut off", "empty"])
def test_a_file_that_is_no_whole_picture_is_named(tmp_path: Path, what: str) -> None:
    path = tmp_path / "picture.JPEG"
    Image.effect_noise((60, 60), 50).convert("RGB").save(path)
    content = path.read_bytes()
    damaged = {"noise": b"noise" * 9, "cut off": content[: len(content) // 2], "empty": b""}
    path.write_bytes(damaged[what])
    with pytest.raises(DataError, match=r"picture\.JPEG cannot be read as a picture \("):
        decode(listed(path), 8)
