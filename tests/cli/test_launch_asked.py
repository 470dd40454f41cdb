"""Other retrainings asked of a run whose jobs are in the queue."""

from pathlib import Path

import pytest
from command_line import Emtnas, snapshot
from fake_slurm import FakeSlurm
from launches import launch, run

from emtnas_hpc.cluster.marks import write_mark
from emtnas_hpc.search.run_directory import read_stored
from emtnas_hpc.store.claim import take
from emtnas_hpc.store.owner import this_process

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
        "runs/tiny/seed-0 will be carried on with what is asked for now: retraining.normal_cells "
        "is nothing there, 1 here\n",
    )
    assert (slurm.submissions, stored_depths(), run().owner.exists()) == (2, (1,), False)


def test_a_spare_is_added_to_jobs_that_are_told(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    launch(emtnas, data)
    slurm.end("2")
    result = launch(emtnas, data, *ASKED)
    assert "seed 0: spare added: 3" in result.out
    assert stored_depths() == (1,)


@pytest.mark.parametrize("job_id", ["1", ""], ids=["job", "foreground"])
def test_whoever_is_at_it_goes_on_as_it_began_which_is_said(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, job_id: str
) -> None:
    launch(emtnas, data)
    slurm.start("1")
    claim = take(run(), this_process(job_id=job_id), say=pytest.fail)
    before = snapshot(Path("runs"))
    result = launch(emtnas, data, *ASKED)
    assert (result.code, result.err) == (
        0,
        "runs/tiny/seed-0 is under way with other retrainings than asked for: "
        "retraining.normal_cells is nothing there, 1 here; launch again when its jobs have "
        "ended\n",
    )
    assert snapshot(Path("runs")) == before
    claim.release()


def test_a_cancelled_run_is_resumed_with_what_was_asked_for_last(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    launch(emtnas, data)
    slurm.end("1", "2")
    write_mark(run().cancelled, "by me", "token")
    result = launch(emtnas, data, *ASKED)
    assert "seed 0: left alone, cancelled: by me" in result.out
    assert emtnas("resume", "tiny").code == 0
    assert (stored_depths(), slurm.submissions) == ((1,), 4)


def test_a_run_that_is_named_twice_is_refused(emtnas: Emtnas, slurm: FakeSlurm, data: Path) -> None:
    for name in ("tiny", "more"):
        assert launch(emtnas, data, "--name", name).code == 0
    slurm.end("1", "2", "3", "4")
    result = emtnas("resume", "tiny", "more", "tiny")
    assert result.code == 2
    assert result.err == ("error: runs/tiny/seed-0 is there 2 times, expected every run once\n")
    assert slurm.submissions == 4
