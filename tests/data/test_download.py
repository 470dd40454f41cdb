import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from emtnas_hpc.data.official import fetch
from emtnas_hpc.errors import DataError, StorageError

CONTENT = b"official " * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def url(tmp_path: Path) -> str:
    served = tmp_path / "served"
    served.write_bytes(CONTENT)
    return served.as_uri()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data/official.npz"


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def test_a_file_is_downloaded_once(url: str, target: Path, scratch: Path, lines: list[str]) -> None:
    fetch(url, target, MD5, scratch)
    fetch("http://never.invalid/", target, MD5, scratch)
    assert target.read_bytes() == CONTENT
    assert lines == [f"downloading {url} to {target}"]
    assert list(target.parent.iterdir()) == [target]


def test_a_file_that_is_there_with_another_checksum_is_refused_and_left_alone(
    url: str, target: Path, scratch: Path, lines: list[str]
) -> None:
    target.write_bytes(b"something else")
    with pytest.raises(DataError, match=rf"official\.npz has MD5 .*, expected {MD5[:12]}; remove"):
        fetch(url, target, MD5, scratch)
    assert target.read_bytes() == b"something else"


def test_a_download_with_another_checksum_leaves_nothing(
    url: str, target: Path, scratch: Path, lines: list[str]
) -> None:
    with pytest.raises(DataError, match=r"gave a file of MD5 .*, expected 00000000000"):
        fetch(url, target, "0" * 32, scratch)
    assert list(target.parent.iterdir()) == []


def test_without_network_the_message_says_which_file_to_copy_where(
    target: Path, scratch: Path, lines: list[str]
) -> None:
    url = "http://127.0.0.1:9/official.npz"
    with pytest.raises(DataError, match=f"copy that file to {target}") as caught:
        fetch(url, target, MD5, scratch)
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(target.parent.iterdir()) == []


def test_a_full_disk_is_a_storage_error_and_leaves_nothing(
    url: str,
    target: Path,
    scratch: Path,
    lines: list[str],
    small_files: Callable[[int], AbstractContextManager[None]],
) -> None:
    with small_files(1000), pytest.raises(StorageError, match=r"official\.npz: .*make room"):
        fetch(url, target, MD5, scratch)
    assert list(target.parent.iterdir()) == []


def test_an_official_file_that_cannot_be_read_is_named(
    target: Path, scratch: Path, lines: list[str]
) -> None:
    target.mkdir()
    with pytest.raises(DataError, match=r"official\.npz: Is a directory"):
        fetch("http://never.invalid/", target, MD5, scratch)
