import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import pytest

from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.slurm.job import requeue


def _leaves(number: int, frame: FrameType | None) -> None:
    """As submitit's handler does once SLURM has agreed."""
    assert (number, frame) == (signal.SIGUSR2, None)
    sys.exit(-1)


def _refuses(_number: int, _frame: FrameType | None) -> None:
    subprocess.run(["false"], check=True)


def test_a_job_that_is_requeued_leaves() -> None:
    with pytest.raises(SystemExit):
        requeue(_leaves)


def test_a_refusal_is_a_failure_that_is_explained_on_one_line() -> None:
    with pytest.raises(SchedulerError) as refusal:
        requeue(_refuses)
    message = str(refusal.value)
    assert message.startswith("this job could not be requeued (Command '['false']' returned")
    assert "its standby job goes on" in message
    assert "\n" not in message


def test_a_scheduler_that_hangs_is_waited_for_no_longer_than_that() -> None:
    def hangs(_number: int, _frame: FrameType | None) -> None:
        time.sleep(1000)

    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(SchedulerError, match="no answer within 0 s"):
        requeue(hangs, patience_s=0.2)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN, None])
def test_a_process_that_submitit_did_not_start_cannot_be_requeued(handler: object) -> None:
    with pytest.raises(SchedulerError, match="not started by submitit"):
        requeue(handler)


def test_a_handler_that_only_returns_has_not_requeued() -> None:
    with pytest.raises(SchedulerError, match="did not ask for it"):
        requeue(lambda _number, _frame: None)


def test_what_a_killed_start_left_of_its_pickle_is_removed_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    for name in ("7_submitted.pkl.save_tmp", "7_submitted.pkl"):
        (folder / name).touch()
    monkeypatch.setenv("SUBMITIT_FOLDER", str(tmp_path / "%j"))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with pytest.raises(SystemExit):
        requeue(_leaves)
    assert [path.name for path in folder.iterdir()] == ["7_submitted.pkl"]
