import time
from pathlib import Path

from emtnas_hpc.slurm.slurm import filesystem_now


def test_a_file_written_now_is_as_old_as_the_clock_says(tmp_path: Path) -> None:
    before = (tmp_path / "before").write_text("") or (tmp_path / "before").stat().st_mtime
    now = filesystem_now(tmp_path)
    (tmp_path / "after").touch()
    assert before <= now <= (tmp_path / "after").stat().st_mtime
    assert {path.name for path in tmp_path.iterdir()} == {"before", "after"}


def test_where_nothing_can_be_written_our_own_clock_has_to_do(tmp_path: Path) -> None:
    before = time.time()
    assert before <= filesystem_now(tmp_path / "missing") <= time.time()
