"""Files as Windows' programs write them."""

from pathlib import Path

import pytest

from emtnas_hpc.errors import InputError
from emtnas_hpc.settings.messages import read_text, read_toml

TOML = 'name = "f\u00fcr"\ntime = "24:00:00"\n'
TABLE = {"name": "f\u00fcr", "time": "24:00:00"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_a_byte_order_mark_and_line_endings_change_nothing(
    tmp_path: Path, encoding: str, ending: str
) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(TOML.replace("\n", ending).encode(encoding))
    assert read_toml(file) == TABLE
    assert read_text(file) == TOML


def test_utf_16_of_the_other_byte_order_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(("\ufeff" + TOML).encode("utf-16-be"))
    assert read_toml(file) == TABLE


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a = 1".encode("utf-16-le"), "is not valid TOML: there are zero bytes in it; save it as"),
        (b'a = 1\nb = "\xfc"\n', "is not valid TOML: line 2 is not UTF-8; save it as UTF-8"),
        (b"\xef\xbb\xbfa = 1\n\xff", "is not valid TOML: line 2 is not UTF-8; save it as UTF-8"),
        (b"\xff\xfe", "is not valid TOML: there is only a byte order mark in it"),
        (b"\xff\xfea", "is not valid TOML: line 1 is not UTF-16-LE; save it as UTF-8"),
    ],
)
def test_what_is_no_text_is_said_with_its_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "a.toml"
    file.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        read_toml(file)
    assert str(refusal.value).startswith(f"{file} {message}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("time = 12:00:00", ', line 2: time is a date or time without quotes; write time = "12:'),
        ("[b]\nbegin = 2026-11-27", ", line 3: begin is a date or time without quotes; write beg"),
        ("time = 24:00:00", '(at line 2, column 10); text needs quotes: time = "24:00:00"'),
        ("time = 1-12 # long", '(at line 2, column 9); text needs quotes: time = "1-12"'),
        ("partition = gpu", '(at line 2, column 13); text needs quotes: partition = "gpu"'),
        ("partition = \u201cgpu\u201d", 'text needs quotes: partition = "gpu"'),
        ('source = "images:C:\\data"', "write / or single quotes"),
        ("cpus = 08", "(at line 2, column 9)"),
        ("time : 90", "(at line 2, column 6)"),
        ("time = ", "(at line 2, column 8)"),
        ("time", "(at line 2, column 5)"),
    ],
)
def test_what_is_no_toml_is_said_with_its_line_as_it_is_to_be(
    tmp_path: Path, line: str, message: str
) -> None:
    file = tmp_path / "a.toml"
    file.write_text(f"a = 1\n{line}\n")
    with pytest.raises(InputError) as refusal:
        read_toml(file)
    assert message in str(refusal.value)
    assert str(refusal.value).startswith(str(file))
    assert str(refusal.value).isprintable()


def test_the_end_of_a_file_has_a_line_too(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("a = 1\n[sbatch")
    with pytest.raises(InputError, match=r"at the end|at line 2"):
        read_toml(file)
