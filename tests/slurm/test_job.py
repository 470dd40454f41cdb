import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emtnas_hpc.errors import InputError
from emtnas_hpc.slurm.job import SeedJob


def test_what_is_pickled_is_the_directory_and_nothing_else() -> None:
    job = SeedJob("/runs/cifar/seed-0")
    assert vars(pickle.loads(pickle.dumps(job))) == {"directory": "/runs/cifar/seed-0"}


def test_a_requeued_job_is_the_same_job() -> None:
    job = SeedJob("/runs/cifar/seed-0")
    assert job.checkpoint().function is job


def test_little_is_imported_before_the_job_listens() -> None:
    """A signal that comes earlier kills it."""
    code = (
        "import sys; before = set(sys.modules); import emtnas_hpc.slurm.job;"
        "heavy = {'torch', 'numpy', 'h5py', 'pydantic', 'submitit', 'rich', 'typer', 'subprocess'};"
        "sys.exit(bool(heavy & (set(sys.modules) - before)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_outside_of_slurm_a_job_is_refused_and_the_old_handlers_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    before = signal.getsignal(signal.SIGUSR2)
    with pytest.raises(InputError, match="not a SLURM job"):
        SeedJob(str(tmp_path / "seed-0"))()
    assert signal.getsignal(signal.SIGUSR2) is before


def test_a_signal_that_comes_when_all_is_done_does_not_make_the_job_fail(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from emtnas_hpc.slurm import worker\n"
        "from emtnas_hpc.slurm.job import SeedJob\n"
        "worker.run_worker = lambda *_: False\n"
        "signal.signal(signal.SIGUSR2, lambda *_: sys.exit('requeued'))\n"
        "class Last:\n"
        "    def __del__(self, kill=os.kill, me=os.getpid(), number=signal.SIGUSR2):\n"
        "        kill(me, number)\n"
        "sys.last = Last()\n"
        "SeedJob(sys.argv[1])()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "seed-0")]
    assert subprocess.run(command, check=False).returncode == 0


def test_a_signal_during_start_up_asks_for_a_requeue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def submitits(number: int, _frame: object) -> None:
        asked.append(number)
        sys.exit(-1)

    def start_slowly(*_: object) -> bool:
        os.kill(os.getpid(), signal.SIGUSR2)
        pytest.fail("went on")

    from emtnas_hpc.slurm import worker

    monkeypatch.setattr(worker, "run_worker", start_slowly)
    before = signal.signal(signal.SIGUSR2, submitits)
    try:
        with pytest.raises(SystemExit):
            SeedJob(str(tmp_path / "seed-0"))()
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert asked == [signal.SIGUSR2]
