"""Something else asked of a run that is launched, or is done."""

import shutil
from pathlib import Path

import pytest
from command_line import Emtnas, snapshot
from fake_slurm import FakeSlurm
from launches import NAMED, launch, run
from studies import save_images

from emtnas_hpc.checkpoint.ownership import acquire, this_process
from emtnas_hpc.settings.names import read_stored
from emtnas_hpc.slurm.job_files import write_flag

ASKED = ("--set", "retraining.normal_cells=[1]")


def stored_depths() -> tuple[int, ...]:
    stored = read_stored(run())
    assert stored is not None
    return stored.experiment.retraining.normal_cells


def test_jobs_that_wait_are_told_by_the_directory(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    launch(emtnas, data)
    result = launch(emtnas, data, *ASKED)
    assert "left alone, in the queue" in result.out
    assert (result.code, result.err) == (
        0,
        "runs/tiny/seed-0 is asked for something else from now on: retraining.normal_cells is "
        "nothing there, 1 here\n",
    )
    assert (slurm.submissions, stored_depths(), run().owner.exists()) == (2, (1,), False)


def test_jobs_are_told_how_the_run_is_carried_out_now(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    launch(emtnas, data)
    result = launch(emtnas, data, "--set", "run.commit_interval_s=5")
    assert result.err.endswith("from now on: run.commit_interval_s is 60.0 there, 5.0 here\n")
    slurm.end("1", "2")
    assert launch(emtnas, data, "--set", "run.commit_interval_s=7").code == 0
    stored = read_stored(run())
    assert stored is not None
    assert (stored.experiment.run.commit_interval_s, slurm.submissions) == (7, 4)


@pytest.fixture
def on_own_images(emtnas: Emtnas, here: Path) -> tuple[str, ...]:
    """How a search on images of one's own is called, which is finished."""
    save_images(here / "mine.npz")
    arguments = ("--set", 'task.digits.source="npz:mine.npz"')
    result = emtnas("run", *NAMED, *arguments)
    assert result.code == 0, result.err
    return arguments


@pytest.mark.parametrize("data_is_there", [True, False], ids=["data", "no data"])
def test_a_run_that_has_all_that_is_asked_for_now_asks_for_no_more(
    emtnas: Emtnas, slurm: FakeSlurm, on_own_images: tuple[str, ...], data_is_there: bool
) -> None:
    data = Path("data")
    assert launch(emtnas, data, *on_own_images, *ASKED).code == 0
    slurm.end("1", "2")
    if not data_is_there:
        shutil.rmtree("data")
        Path("mine.npz").unlink()
    result = launch(emtnas, data, *on_own_images)
    assert "seed 0: left alone, done" in result.out
    assert (result.code, stored_depths()) == (0, ())
    assert result.err.endswith(
        "runs/tiny/seed-0 is asked for something else from now on: retraining.normal_cells is 1 "
        "there, nothing here\n"
    )
    assert "seed 0: left alone, done" in emtnas("resume", "tiny/seed-0").out


def test_a_standby_job_is_added_to_jobs_that_are_told(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    launch(emtnas, data)
    slurm.end("2")
    result = launch(emtnas, data, *ASKED)
    assert "seed 0: standby job added: 3" in result.out
    assert stored_depths() == (1,)


@pytest.mark.parametrize("job_id", ["1", ""], ids=["job", "foreground"])
def test_whoever_is_at_it_goes_on_as_it_began_which_is_said(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, job_id: str
) -> None:
    launch(emtnas, data)
    slurm.start("1")
    lease = acquire(run(), this_process(job_id=job_id))
    before = snapshot(Path("runs"))
    result = launch(emtnas, data, *ASKED)
    assert (result.code, result.err) == (
        0,
        "runs/tiny/seed-0 is under way with something else than asked for: "
        "retraining.normal_cells is nothing there, 1 here; launch again when its jobs have "
        "ended\n",
    )
    assert snapshot(Path("runs")) == before
    lease.release()


def test_a_cancelled_run_is_resumed_with_what_was_asked_for_last(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    launch(emtnas, data)
    slurm.end("1", "2")
    write_flag(run().cancelled, "by me", "token")
    result = launch(emtnas, data, *ASKED)
    assert "seed 0: left alone, cancelled: by me" in result.out
    assert emtnas("resume", "tiny").code == 0
    assert (stored_depths(), slurm.submissions) == ((1,), 4)


def test_a_run_that_is_named_twice_is_resumed_once(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    for name in ("tiny", "more"):
        assert launch(emtnas, data, "--name", name).code == 0
    slurm.end("1", "2", "3", "4")
    result = emtnas("resume", "tiny", "more", "tiny", Path("runs/tiny").absolute())
    assert (result.code, result.err, slurm.submissions) == (0, "", 8)
