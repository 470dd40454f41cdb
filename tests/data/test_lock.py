import errno
import fcntl
from pathlib import Path

import pytest

from emtnas_hpc.data.prepare import exclusive


def test_work_goes_on_without_a_lock_where_the_file_system_has_none(
    tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with exclusive(tmp_path / "lock") as alone:
        assert not alone
    assert lines == []


def test_a_lock_is_free_again_after_an_error_inside(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(KeyError), exclusive(tmp_path / "lock"):
        raise KeyError
    with exclusive(tmp_path / "lock") as alone:
        assert alone
    assert lines == []
