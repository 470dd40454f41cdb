"""What the package hands out by name, and the page about it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import emtnas_hpc

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[1] / "docs" / "api.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def alone(environment, tmp_path):
    """Runs Python in an empty directory."""

    def run(*arguments):
        variables = {n: v for n, v in environment.items() if not n.startswith("EMTNAS_")}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**variables, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_package_alone_imports_nothing_of_its_own(alone):
    code = "import sys, emtnas_hpc; print(sorted(n for n in sys.modules if 'emtnas_hpc.' in n))"
    assert alone("-c", code).stdout == "[]\n"
    code = "import sys, emtnas_hpc; print({'torch', 'numpy', 'h5py', 'pydantic'} & {*sys.modules})"
    assert alone("-c", code).stdout == "set()\n"


def test_every_name_is_there_and_sorted():
    assert emtnas_hpc.__all__ == sorted(emtnas_hpc.__all__)
    for name in emtnas_hpc.__all__:
        assert getattr(emtnas_hpc, name).__name__ == name
    assert {*emtnas_hpc.__all__} <= {*dir(emtnas_hpc)}


def test_names_for_the_type_checker_are_those_that_are_handed_out():
    tree = ast.parse(Path(emtnas_hpc.__file__).read_text(encoding="utf-8"))
    checked = next(node for node in tree.body if isinstance(node, ast.If))
    names = {
        alias.name: node.module
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(names) == emtnas_hpc.__all__
    for name, module in names.items():
        assert getattr(emtnas_hpc, name).__module__ == module


def test_a_name_that_is_not_there_is_an_ordinary_error():
    with pytest.raises(AttributeError, match="module 'emtnas_hpc' has no attribute 'no_such_name'"):
        emtnas_hpc.no_such_name  # noqa: B018


def test_looking_at_a_run_takes_no_torch(alone):
    code = "import sys; from emtnas_hpc import load_run, retrain; print('torch' in sys.modules)"
    assert alone("-c", code).stdout == "False\n"


def test_the_page_names_whatever_is_called():
    text = PAGE.read_text(encoding="utf-8")
    for name in emtnas_hpc.__all__:
        if name not in ("Individuals", "Generations"):
            assert f"`{name}" in text, name


def test_the_example_of_the_page_runs(alone, tmp_path):
    command, export = blocks("bash")
    (example,) = blocks("python")
    assert 10 <= len([line for line in example.splitlines() if line.strip()]) <= 20
    shell = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1], shell=True).returncode)"
    program = f'"{sys.executable}" -m emtnas_hpc'
    done = alone("-c", shell, command.replace("emtnas-hpc", program))
    assert done.returncode == 0, done.stderr
    done = alone("-W", "error", "-c", example)
    assert done.returncode == 0, done.stderr
    assert re.search(r"digits-n2-quick\+epochs=1: \d+\.\d% of the test images", done.stdout)
    done = alone("-c", shell, export.replace("emtnas-hpc", program))
    assert done.returncode == 0, done.stderr
    assert {path.suffix for path in (tmp_path / "networks").iterdir()} == {".py", ".pt"}
