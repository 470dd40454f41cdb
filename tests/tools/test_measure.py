"""tools/measure counts what is there, in any checkout."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MEASURE = Path(__file__).parents[2] / "tools/measure"

FILES = {
    "__init__.py": '"""A package."""\n',
    "cut.py": '''\
"""A module."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emtnas_hpc.cutting import Blade

# One comment.
@dataclass
class Piece:
    """A record."""

    size: int  # with a remark


def cut(a, b, c, d, pieces: list[int], *, e=0):
    text = """two
    lines"""
    return pieces.append(Piece(text))
''',
    "cutting.py": """\
import emtnas_hpc.deep.other
from emtnas_hpc.cut import Piece, cut

class Blade:
    def use(self, a, b, c, d):
        return cut(1, 2, 3, 4, print)
""",
    "deep/__init__.py": "",
    "deep/other.py": """\
from .. import cutting

class Piece:
    def half(self):
        return cutting
""",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / "emtnas_hpc" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return tmp_path


def measure(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, MEASURE, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_lines_and_broken_rules_are_counted(checkout: Path) -> None:
    done = measure(checkout, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        str(checkout): {
            "files": 5,
            "code lines": 20,
            "all lines": 32,
            "median code lines a file": 4,
            "imports, % of code lines": 30.0,
            "comments, % of code lines": 5.0,
            "docstrings, % of code lines": 15.0,
            "records without methods per 1,000 code lines": 50.0,
            "class names that exist twice": 1,
            "import circles": 1,
            "files with one importer, below 150 lines": 2,
            "files above 450 lines": 0,
            "modules xing.py beside x.py": 1,
            "functions with more than 4 positional parameters": 1,
            "calls of ours with more than 4 positional arguments": 1,
            "functions that change a collection of their caller's": 1,
        }
    }


def test_offenders_are_named_below_the_table(checkout: Path) -> None:
    done = measure(checkout, "--offenders")
    assert done.returncode == 0, done.stderr
    for line in (
        "Piece: emtnas_hpc/cut.py:11, emtnas_hpc/deep/other.py:3",
        "emtnas_hpc.cutting - emtnas_hpc.deep.other",
        "emtnas_hpc/cut.py: emtnas_hpc.cutting",
        "emtnas_hpc/cutting.py: cut",
        "emtnas_hpc/cut.py:17 cut(a, b, c, d, pieces)",
        "emtnas_hpc/cutting.py:6 cut, 5 arguments",
        "emtnas_hpc/cut.py:17 cut(pieces)",
    ):
        assert f"    {line}\n" in done.stdout


def test_a_column_has_the_name_of_its_folder_or_its_path_where_names_repeat(
    checkout: Path, tmp_path: Path
) -> None:
    for copy in ("a/main", "b/main", "c/other"):
        shutil.copytree(checkout / "emtnas_hpc", tmp_path / copy / "emtnas_hpc")
        shutil.copy(checkout / "pyproject.toml", tmp_path / copy)
    done = measure(*(tmp_path / copy for copy in ("a/main", "b/main", "c/other")))
    heads = done.stdout.splitlines()[0].split()
    assert heads == [f"{tmp_path}/a/main", f"{tmp_path}/b/main", "other"]


def test_a_folder_without_the_package_is_refused(tmp_path: Path) -> None:
    done = measure(tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path} has no emtnas_hpc/__init__.py\n"
