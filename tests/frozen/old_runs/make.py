"""Makes runs.tar.xz: run directories as the code of this checkout writes them.

It needs nothing of the package but its command line: run it in the checkout whose files are kept.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "slurm"))

from archive import PACKAGE, ROOT_LENGTH, pack
from fake_slurm import FakeSlurm
from job_process import attempt_text, send, start_job, stop

HERE = Path(__file__).parent
LAUNCH = (
    *("launch", "tiny.toml", "--name", "launched", "--seeds", "3"),
    *("--partition", "gpu", "--gpus", "0", "--device", "cpu"),
)


def main() -> None:
    """Makes the runs in a folder with a long name, and packs them."""
    with tempfile.TemporaryDirectory() as base, pytest.MonkeyPatch.context() as patch:
        root = Path(base) / ("r" * (ROOT_LENGTH - len(base) - 1))
        root.mkdir()
        shutil.copy(HERE.parent / "tiny.toml", root)
        patch.chdir(root)
        patch.setenv("PYTHONPATH", str(PACKAGE))
        patch.setenv("EMTNAS_PROFILES", str(Path(base) / "none"))
        patch.setenv("OMP_NUM_THREADS", "1")
        emtnas("prepare", "tiny.toml")
        emtnas(*run("finished"))
        searching = Path("runs/searching/seed-0")
        cut(run("searching"), lambda: "started" in attempt_text(searching, 1))
        [first] = Path("runs/finished/seed-0").glob("retraining/digits-*")
        commit = Path("runs/retraining/seed-0/retraining") / first.name / "000001"
        cut(run("retraining"), commit.is_dir)
        launch_three(FakeSlurm(Path(base) / "commands", patch))
        shutil.rmtree("data")
        for result in Path().rglob("*_result.pkl"):
            result.unlink()  # what submitit leaves of a job that has ended; nothing reads it
        pack(root, HERE / "runs.tar.xz")


def run(name: str) -> tuple[str, ...]:
    """The command of a run in the foreground."""
    return ("run", "tiny.toml", "--name", name, "--device", "cpu")


def emtnas(*arguments: str) -> None:
    """A command to its end."""
    subprocess.run([sys.executable, "-m", "emtnas_hpc", *arguments], check=True)


def cut(command: tuple[str, ...], reached: Callable[[], bool]) -> None:
    """A command that gets a SIGTERM once something is reached."""
    process = subprocess.Popen([sys.executable, "-m", "emtnas_hpc", *command], text=True)
    code = stop(process, reached, lambda: process.send_signal(signal.SIGTERM))
    assert code == 4, code


def launch_three(slurm: FakeSlurm) -> None:
    """A seed whose job was requeued and then killed, one that was cancelled, one that failed."""
    emtnas(*LAUNCH)
    standby_jobs = {str(n + 3): f"afterany:{n}" for n in (1, 2, 3)}
    assert slurm.jobs == {"1": "", "2": "", "3": "", **standby_jobs}
    launched = Path("runs/launched")
    jobs = launched / "jobs"

    run = launched / "seed-0"
    process = start_job(slurm, jobs / "seed-0", "1")
    code = stop(
        process, lambda: "started" in attempt_text(run, 1), lambda: send(run, signal.SIGUSR2)
    )
    assert code == 255, code
    process = start_job(slurm, jobs / "seed-0", "1", restarts=1)
    stop(process, lambda: "resumed" in attempt_text(run, 2), lambda: send(run, signal.SIGKILL))
    slurm.end("1")
    assert (launched / "seed-0/owner").exists()

    emtnas("cancel", "launched/seed-1")

    Path("data").rename("away")
    Path("data").touch()
    waiting = {"3": ""}
    while waiting:
        [(job, on)] = waiting.items()
        process = start_job(slurm, jobs / "seed-2", job, after=on.removeprefix("afterany:"))
        assert process.wait() == 1
        slurm.end(job)
        waiting = {each: on for each, on in slurm.jobs.items() if on == f"afterany:{job}"}
    assert (launched / "seed-2/failed").exists()
    Path("data").unlink()
    Path("away").rename("data")
    Path("queue").write_text("".join(f"{line}\n" for line in slurm.lines))


if __name__ == "__main__":
    main()
