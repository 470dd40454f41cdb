from pathlib import Path

import pytest

from emtnas_hpc.cluster.marks import read_mark, write_mark
from emtnas_hpc.errors import StorageError


def test_a_mark_gives_its_reason_on_one_line(tmp_path: Path) -> None:
    mark = tmp_path / "seed-0" / "cancelled"
    assert read_mark(mark) is None
    write_mark(mark, "by me\nat night", "t")
    assert read_mark(mark) == "by me at night"
    assert [path.name for path in mark.parent.iterdir()] == ["cancelled"]


def test_a_mark_that_somebody_made_by_hand_counts(tmp_path: Path) -> None:
    (tmp_path / "cancelled").touch()
    assert read_mark(tmp_path / "cancelled") == ""


def test_a_mark_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cancelled").mkdir()
    with pytest.raises(StorageError, match="cannot read"):
        read_mark(tmp_path / "cancelled")
