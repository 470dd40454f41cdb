import threading
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.atomic import exclusive
from emtnas_hpc.errors import OwnedError


def _never() -> None:
    pytest.fail("nobody else is inside")


def test_the_first_one_is_alone_at_once(tmp_path: Path) -> None:
    with exclusive(tmp_path / "new" / "lock", _never) as alone:
        assert alone


def test_a_second_one_waits_until_the_first_has_left(tmp_path: Path) -> None:
    waits, order = threading.Event(), []

    def second() -> None:
        with exclusive(tmp_path / "lock", waits.set) as alone:
            order.append(("second", alone))

    thread = threading.Thread(target=second)
    with exclusive(tmp_path / "lock", _never):
        thread.start()
        assert waits.wait(60)
        order.append(("first", True))
    thread.join()
    assert order == [("first", True), ("second", True)]


def test_one_whose_patience_ends_is_refused_and_never_goes_on_beside_the_other(
    tmp_path: Path,
) -> None:
    told: list[bool] = []
    with (
        exclusive(tmp_path / "lock", _never),
        pytest.raises(OwnedError, match="held by another process for more than 0 s; try again"),
        exclusive(tmp_path / "lock", lambda: told.append(True), patience_s=0.2),
    ):
        pytest.fail("it went on")
    assert told == [True]


def test_a_file_system_without_locks_is_no_reason_to_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int, _how: int) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with exclusive(tmp_path / "lock", _never) as alone:
        assert not alone
