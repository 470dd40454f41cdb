from pathlib import Path

import pytest

from emtnas_hpc.errors import StorageError
from emtnas_hpc.slurm.job_files import read_flag, write_flag


def test_a_mark_gives_its_reason_on_one_line(tmp_path: Path) -> None:
    mark = tmp_path / "seed-0" / "cancelled"
    assert read_flag(mark) is None
    write_flag(mark, "by me\nat night", "t")
    assert read_flag(mark) == "by me at night"
    assert [path.name for path in mark.parent.iterdir()] == ["cancelled"]


def test_a_mark_that_somebody_made_by_hand_counts(tmp_path: Path) -> None:
    (tmp_path / "cancelled").touch()
    assert read_flag(tmp_path / "cancelled") == ""


def test_a_mark_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cancelled").mkdir()
    with pytest.raises(StorageError, match="cannot read"):
        read_flag(tmp_path / "cancelled")
