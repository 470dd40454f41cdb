"""Is this cluster fit for it: all checks in order, here and in a job of the doctor's own."""

import json
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.checkpoint.atomic import exclusive, make_directory
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.checkpoint.paths import seed_run
from emtnas_hpc.errors import InputError, SchedulerError, StorageError
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.slurm.checks import (
    CheckResult,
    Grade,
    accepted_memory,
    check_data,
    check_node,
    check_profile,
    check_signals,
    check_site,
    fine,
    warning,
    wrong,
)
from emtnas_hpc.slurm.fit import JobOptions, resolve
from emtnas_hpc.slurm.jobs import JobSpec
from emtnas_hpc.slurm.probe import HEARD, LETTER, LOCK, REPORT, describe_python
from emtnas_hpc.slurm.profile import Profile, shipped_directory
from emtnas_hpc.slurm.queue import QueuedJob, read_queue, why_it_waits
from emtnas_hpc.slurm.site import (
    check_acceptance,
    may_be_memory,
    may_wait,
    read_gpu_types,
    read_partitions,
    read_site,
)
from emtnas_hpc.slurm.slurm import clean, run_command, sbatch_environment
from emtnas_hpc.slurm.submit import (
    Executor,
    make_executor,
    refuse_pattern,
    sbatch_text,
    submitted_id,
)

#: Of the listening job: SLURM is asked for SIGUSR2 so long before its limit of a minute.
LEAD_S = 30

_LOOK_EVERY_S = 0.5
_LOGS = "*.out"


class ProbeWorkspace:
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
def probe_workspace(runs: Path) -> Iterator[ProbeWorkspace]:
    """Makes a folder below `runs`, locked as long as it is used.

    Raises:
        StorageError: nothing can be written there.
    """
    was_there = runs.exists()
    place = ProbeWorkspace(runs.absolute() / f".doctor-{secrets.token_hex(4)}")
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


def run_probe_job(
    place: ProbeWorkspace,
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
    with sbatch_environment():
        answer = run_command("sbatch", "--parsable", str(script))
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
            run_command("scancel", job_id)


def _script(executor: Executor, folder: Path, what: str) -> str:
    probe = ["-u", "-m", "emtnas_hpc.slurm.probe", str(folder), what]
    return executor.text(shlex.join([sys.executable, *probe]))


_COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo", "srun")
_LISTEN_MIN = 1
_SKIPPED = "it is left out; if a program of your site prints it, that need not be"


@dataclass(frozen=True)
class Doctor:
    """What is to be examined.

    Attributes:
        experiment: whose data is to be there.
        wishes: what was typed about the jobs.
        runs: where run directories are to be.
        data: where prepared data is.
        device: that searches are to run on.
        mend: the command that prepares the data.
        with_signals: whether to let a job run into its limit as well, which takes two minutes.
        patience_s: to wait for a test job to begin.
    """

    experiment: Experiment
    wishes: JobOptions
    runs: Path
    data: Path
    device: str
    mend: str
    with_signals: bool
    patience_s: float


def run_checks(order: Doctor, say: Callable[[str], None]) -> Iterator[CheckResult]:
    """Examines this cluster; what SLURM refuses is a finding too.

    Args:
        order: what to examine.
        say: told what takes a while.
    """
    yield from check_data(order.experiment, order.data, order.mend)
    missing = [name for name in _COMMANDS if shutil.which(name) is None]
    if missing:
        advice = "run it on a node of a SLURM cluster, such as its login node"
        yield wrong("SLURM", f"there is no {', no '.join(missing)} here", advice)
        return
    try:
        site = read_site()
        yield fine("SLURM", f"{site.version} answers")
        yield from _queue()
        resolved = resolve(order.wishes)
        yield from (warning("SLURM", remark, _SKIPPED) for remark in resolved.remarks)
        yield check_profile(resolved.source, shipped_directory())
        profile = resolved.profile
        names = profile.partition.split(",")
        partitions = [each for each in read_partitions() if each.name in names]
        yield from check_site(profile, partitions, read_gpu_types(profile.partition), site)
        yield from _submitted(order, profile, say)
    except InputError as error:
        yield CheckResult("partition", Grade.WRONG, str(error))
    except SchedulerError as error:
        yield CheckResult("SLURM", Grade.WRONG, str(error))
    except StorageError as error:
        yield CheckResult("run directory", Grade.WRONG, str(error))


def _queue() -> Iterator[CheckResult]:
    """What squeue prints besides jobs, or instead of them; nothing where all is well."""
    said: list[str] = []
    try:
        read_queue(said.append).without_doubt()
    except SchedulerError as error:
        advice = "nothing is submitted or cancelled as long as jobs cannot be told from that"
        yield wrong("queue", str(error), advice)
    yield from (warning("queue", line, _SKIPPED) for line in said)


def _submitted(
    order: Doctor, profile: Profile, say: Callable[[str], None]
) -> Iterator[CheckResult]:
    """What takes a job: whether SLURM would accept it, and what one of the doctor's finds."""
    run = seed_run(order.runs, order.experiment.name, 0)
    request = JobSpec(
        profile=profile, data=str(order.data.absolute()), device=order.device, mend=order.mend
    )
    try:
        refuse_pattern(order.runs, "choose another --runs directory")
    except InputError as error:
        yield CheckResult("sbatch", Grade.WRONG, str(error))
        return
    try:
        remarks = check_acceptance(sbatch_text(run, request))
    except InputError as error:
        advice = accepted_memory(run, request) if may_be_memory(error) else ""
        yield wrong("sbatch", str(error), advice)
        return
    waits = any(may_wait(remark) for remark in remarks)
    advice = accepted_memory(run, request) if waits else ""
    yield from (CheckResult("sbatch", Grade.WARNING, remark, advice) for remark in remarks)
    if not remarks:
        yield fine("sbatch", "SLURM accepts such jobs as `launch` submits")
    yield from _on_a_node(order, profile, say)


def _on_a_node(
    order: Doctor, profile: Profile, say: Callable[[str], None]
) -> Iterator[CheckResult]:
    with probe_workspace(order.runs) as place:
        say("a test job looks around on a node")

        def has_answered(job: QueuedJob | None) -> bool:
            return job is None or place.answer(REPORT) is not None

        try:
            waits = run_probe_job(
                place, profile, "look", has_answered, minutes=2, patience_s=order.patience_s
            )
        except SchedulerError as error:
            yield CheckResult("test job", Grade.WRONG, str(error))
            return
        yield from _looked(order, place, profile, waits)
        if order.with_signals and waits is None:
            say("a test job runs into its limit of a minute; this takes about two")
            yield from _listened(order, place, profile)


def _looked(
    order: Doctor, place: ProbeWorkspace, profile: Profile, waits: str | None
) -> Iterator[CheckResult]:
    if waits is not None:
        yield warning(
            "test job", f"did not begin within {order.patience_s:.0f} s: {waits}", "try again later"
        )
        return
    answer = place.answer(REPORT)
    if answer is None:
        said = place.log() or "nothing in its log"
        yield wrong("test job", f"ended without an answer ({said})", "mend that and try again")
        return
    wants_cuda = bool(profile.gpus) and order.device != "cpu"
    yield from check_node(
        json.loads(answer), describe_python(), place.letter, wants_cuda=wants_cuda
    )


def _listened(order: Doctor, place: ProbeWorkspace, profile: Profile) -> Iterator[CheckResult]:
    waits = run_probe_job(
        place,
        profile,
        "listen",
        lambda job: job is None,
        minutes=_LISTEN_MIN,
        patience_s=order.patience_s,
    )
    if waits is not None:
        yield warning("signals", f"the job did not begin: {waits}", "try again later")
        return
    yield from check_signals(place.answer(HEARD) or "", LEAD_S, 60.0 * _LISTEN_MIN)
