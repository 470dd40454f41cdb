"""Experiments whose searches are one and the same, finished in the folder of one of them."""

import shutil
from pathlib import Path

import pytest
from command_line import Emtnas, snapshot
from fake_slurm import FakeSlurm
from studies import save_images, write_study

pytestmark = pytest.mark.slow


@pytest.fixture
def small(here: Path, finished: Path) -> Path:
    """The finished search of `small`, in its folder."""
    return Path(shutil.copytree(finished / "tiny/seed-0", here / "runs/small/seed-0"))


def write_same(folder: Path, normal_cells: str) -> None:
    """A study of `small`, and of the same under another name with other retrainings."""
    write_study(folder)
    text = (folder / "small.toml").read_text()
    other = text.replace("normal_cells = []", f"normal_cells = {normal_cells}")
    (folder / "other.toml").write_text(other)
    entries = (f'[[experiments]]\npreset = "{name}.toml"\n' for name in ("small", "other"))
    (folder / "same.toml").write_text("".join(entries))


@pytest.mark.parametrize("command", [("launch",), ("run",), ("run", "--parallel", 2)], ids=str)
def test_two_experiments_that_come_to_one_folder_are_refused(
    emtnas: Emtnas, slurm: FakeSlurm, here: Path, small: Path, data: Path, command: tuple[str, ...]
) -> None:
    write_same(here, "[1]")
    before = snapshot(small)
    result = emtnas(*command, "same.toml", "--data", data)
    assert (result.code, result.out) == (2, "")
    assert result.err.endswith(
        "error: same.toml has two experiments for runs/small/seed-0, where the search of both is "
        "finished: small.toml and other.toml; ask for one after the other\n"
    )
    assert (slurm.submissions, snapshot(small)) == (0, before)


@pytest.mark.usefixtures("warm_children")
def test_two_that_are_equal_there_are_carried_on_once(
    emtnas: Emtnas, slurm: FakeSlurm, here: Path, small: Path, data: Path
) -> None:
    write_same(here, "[]")
    more = ("retraining.recipe=quick", "retraining.channels=2", "retraining.epochs=1")
    asked = [word for s in (*more, "retraining.normal_cells=[1]") for word in ("--set", s)]
    launched = emtnas("launch", "same.toml", *asked, "--data", data)
    assert launched.code == 0, launched.err
    assert launched.out.count("small, seed 0: submitted") == 1
    assert list(slurm.jobs.values()) == ["", "afterany:1"]
    done = emtnas("run", "same.toml", *asked, "--parallel", 2, "--data", data)
    assert done.code == 0, done.err
    assert done.err.count("small seed 0: finished, 2 generations and 1 retraining\n") == 1


@pytest.fixture
def renamed(here: Path, emtnas: Emtnas) -> Path:
    """A finished study on images of one's own that are gone; `small` was given another name."""
    save_images(here / "mine.npz")
    write_study(here, 'task.digits.source="npz:mine.npz"')
    result = emtnas("run", "study.toml")
    assert result.code == 0, result.err
    shutil.rmtree("data")
    Path("mine.npz").unlink()
    return Path("runs/small").rename("runs/renamed")


def test_data_that_is_gone_is_not_missed_where_all_is_done_under_another_name(
    emtnas: Emtnas, slurm: FakeSlurm, renamed: Path
) -> None:
    result = emtnas("run", "study.toml")
    assert result.code == 0, result.err
    used = f"small seed 0: this search is finished in {renamed}/seed-0, which is used\n"
    assert used in result.err
    assert not Path("runs/small").exists()
    launched = emtnas("launch", "study.toml")
    assert launched.code == 0, launched.err
    assert used in launched.err
    assert "renamed, seed 0: left alone, done\n" in launched.out
    assert slurm.submissions == 0


@pytest.mark.parametrize("command", ["launch", "run"])
def test_what_was_done_on_images_from_elsewhere_counts_for_nothing(
    emtnas: Emtnas, slurm: FakeSlurm, renamed: Path, command: str
) -> None:
    file = Path("small.toml")
    file.write_text(file.read_text().replace("npz:mine.npz", "npz:yours.npz"))
    result = emtnas(command, "study.toml")
    assert (result.code, result.out) == (2, "")
    assert "yours.npz" in result.err
