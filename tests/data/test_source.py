from pathlib import Path
from typing import Any

import pytest

from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.errors import DataError
from emtnas_hpc.settings.experiment import TaskSettings


def task(source: str, **settings: Any) -> TaskSettings:
    return TaskSettings(source=source, **settings)


@pytest.mark.parametrize("source", ["", "cifar10", "url:x", "npz:", "images", "npz"])
def test_a_source_of_no_known_kind_is_refused_with_the_kinds(source: str) -> None:
    with pytest.raises(DataError, match=r"torchvision:\.\.\., medmnist:\.\.\., package:\.\.\."):
        parse_source(task(source))


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("torchvision:SVHN", "CIFAR10, CIFAR100"),
        ("medmnist:pathmnist", "PathMNIST"),
        ("package:iris", "mnist5k, digits"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(source: str, names: str) -> None:
    with pytest.raises(DataError, match=names):
        parse_source(task(source))


def test_only_official_sets_need_a_download() -> None:
    sources = ["torchvision:CIFAR10", "medmnist:PathMNIST", "package:digits", "npz:a", "images:a"]
    assert [parse_source(task(source)).needs_download for source in sources] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_keys_are_readable_and_free_of_odd_characters() -> None:
    assert parse_source(task("medmnist:OrganAMNIST")).key == "medmnist-organamnist"
    key = parse_source(task("npz:some where/my 'set'\n.npz")).key
    assert key.startswith("npz-my--set---")
    assert " " not in key


def test_files_of_one_name_in_two_folders_have_different_keys() -> None:
    assert parse_source(task("npz:a/x.npz")).key != parse_source(task("npz:b/x.npz")).key


def test_a_relative_path_begins_at_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relative, absolute = task("npz:x.npz"), task(f"npz:{tmp_path / 'x.npz'}")
    assert parse_source(relative).key == parse_source(absolute).key


def test_an_image_folder_at_two_sizes_is_prepared_twice() -> None:
    small, large = task("images:a", image_size=28), task("images:a", image_size=32)
    assert parse_source(small).key != parse_source(large).key


@pytest.mark.parametrize("source", ["torchvision:CIFAR10", "npz:x.npz", "images:a"])
def test_a_source_split_otherwise_is_prepared_into_a_folder_of_its_own(source: str) -> None:
    last, first = (task(source, validation_split=split) for split in ("last", "first"))
    plain = parse_source(task(source)).key
    assert parse_source(last).key == plain
    assert parse_source(first).key == f"{plain}-validation-first"
