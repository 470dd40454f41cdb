"""The wheel is whole: it runs a preset from another directory, without the checkout."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(once):
    def fill(folder):
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
        subprocess.run([*build, str(folder), str(ROOT)], check=True, capture_output=True)

    (path,) = once("wheel", fill).glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, once):
    """A folder that holds the wheel and nothing of the checkout."""

    def fill(folder):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)

    return once("installed", fill)


def run(installed, directory, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_source_distribution_can_be_tested(tmp_path):
    build = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", str(tmp_path)]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True)
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"docs/settings.md", "tools/test", ".ci/run", "tests/test_docs.py", "README.md"} <= names
    assert not [name for name in names if "__pycache__" in name]


def test_every_preset_is_in_the_wheel(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    configs = ROOT / "configs"
    presets = {path.relative_to(configs).as_posix() for path in configs.rglob("*.toml")}
    folder = "emtnas_hpc/configs/"
    assert {name.removeprefix(folder) for name in names if name.startswith(folder)} == presets
    assert "emtnas_hpc/py.typed" in names


def test_every_profile_and_the_script_to_run_by_hand_are_in_the_wheel(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    shipped = {path.name for path in (ROOT / "slurm").iterdir() if path.is_file()}
    assert {"default.toml", "run-by-hand.sbatch"} <= shipped
    inside = {Path(name) for name in names if name.startswith("emtnas_hpc/slurm/")}
    assert {path.name for path in inside if path.suffix != ".py"} == shipped


def test_an_installed_profile_is_found_from_another_directory(installed, tmp_path):
    code = (
        "from emtnas_hpc.slurm.profile import default_layer, shipped_directory\n"
        "print(shipped_directory(), default_layer().values['memory_gb'])"
    )
    done = run(installed, tmp_path, "-c", code)
    assert done.stdout == f"{installed}/emtnas_hpc/slurm 16\n"


def test_nothing_but_the_package_is_in_the_wheel(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"emtnas_hpc"}


def test_an_installed_preset_runs_from_another_directory(installed, tmp_path):
    where = run(installed, tmp_path, "-c", "import emtnas_hpc; print(emtnas_hpc.__file__)")
    assert where.stdout.startswith(str(installed))
    small = [
        'tasks=["digits"]',
        "search.generations=1",
        "search.population=2",
        "training.batches=1",
    ]
    small += ["retraining.epochs=1", "retraining.channels=2"]
    sets = [word for setting in small for word in ("--set", setting)]
    done = run(installed, tmp_path, "-m", "emtnas_hpc", "run", "quickstart", *sets)
    assert done.returncode == 0, done.stderr
    assert "digits" in done.stdout
    assert (tmp_path / "runs").is_dir()
