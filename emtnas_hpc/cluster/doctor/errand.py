"""A short job of the doctor's own: submitted, waited for, taken away again."""

import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from emtnas_hpc.cluster.doctor.probe import LETTER, LOCK
from emtnas_hpc.cluster.profile import Profile
from emtnas_hpc.cluster.queue import QueuedJob, read_queue
from emtnas_hpc.cluster.reasons import why_it_waits
from emtnas_hpc.cluster.scheduler import call, clean
from emtnas_hpc.cluster.script import Executor, make_executor, submitted_id
from emtnas_hpc.cluster.surroundings import as_for_sbatch
from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.store.durable import make_directory
from emtnas_hpc.store.lock import exclusive
from emtnas_hpc.store.refusals import storage_errors

#: Of the listening job: SLURM is asked for SIGUSR2 so long before its limit of a minute.
LEAD_S = 30

_LOOK_EVERY_S = 0.5
_LOGS = "*.out"


class Workplace:
    """A folder in the run directory that is gone afterwards, with a letter for the node."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.letter = secrets.token_hex(8)

    def log(self) -> str:
        """What the job said last; empty if nothing."""
        with suppress(OSError):
            logs = (path.read_text(errors="replace") for path in self.folder.glob(_LOGS))
            lines = [line.strip() for log in logs for line in log.splitlines() if line.strip()]
            return lines[-1] if lines else ""
        return ""

    def answer(self, name: str) -> str | None:
        """What the job has left under that name, if it has."""
        with suppress(OSError):
            # Listed anew: a network file system may remember that a file was not there.
            if name in {path.name for path in self.folder.iterdir()}:
                return (self.folder / name).read_text(errors="replace")
        return None


@contextmanager
def workplace(runs: Path) -> Iterator[Workplace]:
    """Makes a folder below `runs`, locked as long as it is used.

    Raises:
        StorageError: nothing can be written there.
    """
    was_there = runs.exists()
    place = Workplace(runs.absolute() / f".doctor-{secrets.token_hex(4)}")
    make_directory(place.folder)
    try:
        with storage_errors(place.folder):
            (place.folder / LETTER).write_text(place.letter)
        with exclusive(place.folder / LOCK, lambda: None):
            yield place
    finally:
        shutil.rmtree(place.folder, ignore_errors=True)
        if not was_there:
            with suppress(OSError):
                runs.rmdir()


def run_job(
    place: Workplace,
    profile: Profile,
    what: str,
    is_over: Callable[[QueuedJob | None], bool],
    *,
    minutes: int,
    patience_s: float,
) -> str | None:
    """Submits a probe and waits until it is over; it is cancelled if it is not, or at Ctrl-C.

    Args:
        place: where it finds and leaves things.
        profile: what it asks for, but for its time limit and its lead time.
        what: `look` or `listen`.
        is_over: asked with the job as the queue has it, None once it is gone.
        minutes: its time limit.
        patience_s: to wait for it to begin.

    Returns:
        Why it has not begun; None if it is over.

    Raises:
        SchedulerError: SLURM refuses it, or cannot be asked.
    """
    asked = profile.model_copy(update={"time": minutes, "lead_time_s": LEAD_S})
    executor = make_executor(place.folder, asked, f"emtnas-doctor-{what}")
    script = place.folder / f"{what}.sh"
    with storage_errors(script):
        script.write_text(_script(executor, place.folder, what))
    with as_for_sbatch():
        answer = call("sbatch", "--parsable", str(script))
    job_id = submitted_id(answer)
    if job_id is None:
        raise SchedulerError(f"sbatch answered what nobody understands: {clean(answer)}")
    try:
        end = time.monotonic() + patience_s
        beside: set[str] = set()
        while True:
            queue = read_queue(beside=beside)
            job = next((job for job in queue if job.job_id == job_id), None)
            if job is None:
                queue.without_doubt()
            if is_over(job):
                return None
            if job and job.state == "PENDING" and time.monotonic() >= end:
                return f"job {job_id} {why_it_waits(job)}"
            time.sleep(_LOOK_EVERY_S)
    finally:
        with suppress(SchedulerError):
            call("scancel", job_id)


def _script(executor: Executor, folder: Path, what: str) -> str:
    probe = ["-u", "-m", "emtnas_hpc.cluster.doctor.probe", str(folder), what]
    return executor.text(shlex.join([sys.executable, *probe]))
