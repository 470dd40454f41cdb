import errno
import re
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.os_errors import storage_error
from emtnas_hpc.errors import shown


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "; . belongs to"),
        (errno.ESTALE, "try again"),
        (errno.EIO, "check the disk"),
        (None, "check the disk"),
    ],
)
def test_a_refusal_says_what_to_do(number: int | None, advice: str) -> None:
    error = OSError(number, "no") if number else OSError("the library has no number")
    message = str(storage_error(Path("./x\ny"), error))
    assert advice in message
    assert "\n" not in message


def test_what_to_do_may_be_said_by_who_knows_the_directory() -> None:
    error = OSError(errno.ENOSPC, "no")
    message = str(storage_error(Path("x"), error, advice="choose another"))
    assert message == "cannot write x: No space left on device; choose another"


def test_a_path_that_would_break_a_line_is_shown_quoted() -> None:
    assert shown(Path("a b")) == "a b"
    assert shown(Path("a\nb")) == "'a\\nb'"


def test_earlier_commits_are_spoken_of_only_where_there_are_some() -> None:
    error = OSError(errno.ENOSPC, "no")
    alone = "cannot write x: No space left on device; the disk is full: make room and start again"
    assert str(storage_error(Path("x"), error)) == alone
    assert str(storage_error(Path("x"), error, intact=True)) == (
        f"{alone} (earlier commits are intact)"
    )


def test_an_owner_without_a_name_is_told_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_number: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", unknown)
    error = storage_error(tmp_path, OSError(errno.EACCES, ""), "read")
    assert re.search(r"it belongs to user \d+, who can permit it", str(error))


def test_where_nothing_on_the_way_can_be_seen_no_owner_is_made_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_path: Path, **_how: object) -> None:
        raise PermissionError

    monkeypatch.setattr("pathlib.Path.stat", refuse)
    error = storage_error(Path("/closed"), OSError(errno.EACCES, ""), "read")
    assert str(error).endswith("; ask whom it belongs to")
