import numpy as np
import pytest

from emtnas_hpc.data.dataset import TaskData
from emtnas_hpc.data.images import Images
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.data.raw_data import doubts
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.settings.experiment import TaskSettings

pytestmark = pytest.mark.slow

CLASSES = ("cat", "dog")


def pictures(n: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 1), np.uint8)


def said(cats: np.ndarray, dogs: np.ndarray) -> tuple[str, ...]:
    labels = np.repeat([0, 1], [len(cats), len(dogs)])
    return doubts({"train": Images(np.concatenate([cats, dogs]), labels)}, CLASSES)


def test_images_as_they_should_be_are_not_doubted() -> None:
    assert said(pictures(), pictures(seed=1)) == ()


def test_digits_and_thin_drawings_are_not_doubted() -> None:
    drawings = np.where(np.random.default_rng(2).random((2, 50, 28, 28, 1)) < 0.03, 0, 255)
    assert said(*drawings.astype(np.uint8)) == ()


@pytest.mark.parametrize(
    ("images", "why"),
    [
        (np.full((6, 8, 8, 1), 255, np.uint8), "all pixels are 255"),
        (np.where(pictures(50) < 1, 90, 0).astype(np.uint8), "% of all pixels are 0 of 255"),
        (pictures() // 32, "100 % of all pixels lie from 0 to 7 of 255"),
        (np.repeat(pictures()[:, :1, :1], 64, 1).reshape(6, 8, 8, 1), "each image is of one value"),
    ],
)
def test_a_class_of_which_nothing_is_to_be_seen_is_named_with_the_reason(
    images: np.ndarray, why: str
) -> None:
    (line,) = said(images, pictures(seed=1))
    start = "WARNING: in train hardly anything is to be seen of 1 of 2 classes: 'cat' ("
    assert line.startswith(start)
    assert why in line


def test_classes_of_the_same_images_are_named() -> None:
    assert said(pictures(), pictures()[::-1]) == (
        "WARNING: in train 1 of 2 classes have the same images as another, first 'dog' those of "
        "'cat'",
    )


def test_a_long_list_of_classes_is_cut() -> None:
    images = Images(np.zeros((200, 8, 8, 1), np.uint8), np.arange(200))
    first, second = doubts({"val": images}, tuple(map(str, range(200))))
    assert "in val hardly anything is to be seen of 200 of 200 classes: '0' (all pixels" in first
    assert first.count("all pixels") == 3
    assert "199 of 200 classes have the same images as another, first '1'" in second


def test_images_of_several_classes_at_once_are_looked_at_by_class() -> None:
    labels = np.array([[1, 1]] * 3 + [[0, 1]] * 3, np.float32)
    black = np.zeros((3, 8, 8, 1), np.uint8)
    images = Images(np.concatenate([black, pictures(3)]), labels)
    (line,) = doubts({"train": images}, CLASSES)
    assert "of 1 of 2 classes: 'cat' (all pixels are 0)" in line


def test_a_preparation_of_any_source_is_looked_at(tmp_path, lines: list[str]) -> None:
    labels = np.arange(40) % 2
    np.savez(tmp_path / "dark.npz", train_images=np.tile(pictures(1) // 32, (40, 1, 1, 1)),
             train_labels=labels)  # fmt: skip
    prepared = prepare_said(tmp_path, f"npz:{tmp_path / 'dark.npz'}", lines)
    assert prepared.n_images("train") == 26
    warnings = [line for line in lines if "WARNING" in line]
    assert len(warnings) == 6
    assert warnings[0].startswith("mine: WARNING: in train hardly anything is to be seen of 2 of 2")


@pytest.mark.parametrize("name", ["digits", "mnist5k"])
def test_the_digits_that_packages_bring_are_not_doubted(
    tmp_path, lines: list[str], name: str
) -> None:
    prepare(name, REGISTRY[name], tmp_path / "data")
    assert not [line for line in lines if "WARNING" in line]


def prepare_said(folder, source: str, lines: list[str], **settings: object) -> TaskData:
    task = TaskSettings.model_validate({"source": source, **settings})
    return prepare("mine", task, folder / "data")


def test_an_image_size_without_effect_is_said_and_one_that_nobody_set_is_not(
    tmp_path, npz, lines: list[str]
) -> None:
    prepare_said(tmp_path, f"npz:{npz}", lines)
    prepare_said(tmp_path, f"npz:{npz}", lines, image_size=8)
    assert not [line for line in lines if "no effect" in line]
    prepare_said(tmp_path, f"npz:{npz}", lines, image_size=64)
    (line,) = (line for line in lines if "no effect" in line)
    assert line.startswith("mine: task.mine.image_size is 64 and has no effect on npz:")


def test_the_conversion_is_kept_with_the_images_and_said_every_time(
    tmp_path, lines: list[str]
) -> None:
    from PIL import Image

    for name, level in (("a", 1000), ("b", 3000)):
        for n in range(10):
            path = tmp_path / f"deep/train/{name}/{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pictures(1, n)[0, ..., 0].astype(np.uint16) + level).save(path)
    for _time in range(2):
        prepare_said(tmp_path, f"images:{tmp_path / 'deep'}", lines, image_size=8)
        assert lines[-1].endswith("; 16-bit values 1,000 to 3,255 brought to 0 to 255")


def test_images_that_were_prepared_before_conversions_were_kept_are_read(
    tmp_path, npz, lines: list[str]
) -> None:
    import json

    prepared = prepare_said(tmp_path, f"npz:{npz}", lines)
    path = next((tmp_path / "data").glob("npz-*/manifest.json"))
    content = json.loads(path.read_text())
    del content["conversion"]
    path.write_text(json.dumps(content))
    lines.clear()
    assert prepare_said(tmp_path, f"npz:{npz}", lines).digest == prepared.digest
    assert len(lines) == 1
