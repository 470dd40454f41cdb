"""What tools/local-slurm says to what it cannot do; none of it needs SLURM."""

import subprocess
import sys
from pathlib import Path

import pytest
from keeper import TOOL, local_slurm


@pytest.mark.parametrize(
    ("root", "words"),
    [
        ("/tmp/a folder", "SLURM cannot take the path /tmp/a folder; choose a --root of plain"),
        ("/tmp/" + 70 * "x", "has 75 characters, but sockets in it allow 74; choose a shorter"),
    ],
)
def test_a_folder_that_slurm_cannot_take_is_refused_in_one_line(root: str, words: str) -> None:
    done = local_slurm("up", "--root", root)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not Path(root).exists()


def test_a_switch_out_of_range_is_refused(tmp_path: Path) -> None:
    done = local_slurm("up", "--root", str(tmp_path / "r"), "--nodes", "0")
    assert done.returncode == 2
    assert "argument --nodes: must be at least 1, not 0" in done.stderr


def test_missing_packages_are_named_with_the_command_that_brings_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(TOOL.parent)!r})\n"
        "from local_slurm import requirements as r\n"
        "r.PATH, r._PLUGIN_FOLDERS = '/nowhere', ()\n"
        "print(*r.missing_packages(accounting=False))\n"
        "r.check_packages(accounting=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "slurmctld slurmd slurm-client munge\n"
    every = "slurmctld slurmd slurm-client slurmdbd munge mariadb-server slurm-wlm-mysql-plugin"
    assert done.stderr.strip().endswith(f"apt-get install --no-install-recommends {every}")


def test_a_folder_without_a_cluster_has_a_status_and_can_be_taken_down(tmp_path: Path) -> None:
    root = str(tmp_path / "r")
    status = local_slurm("status", "--root", root)
    assert status.returncode == 1
    assert f"no cluster was ever up in {root}" in status.stdout
    assert local_slurm("down", "--root", root).returncode == 0
    assert not Path(root).exists()
