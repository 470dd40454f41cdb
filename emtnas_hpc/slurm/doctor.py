"""Is this cluster fit for it: all checks in order, here and in a probe job on a node."""

import json
import logging
import os
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.checkpoint.atomic import exclusive, make_directory
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.checkpoint.paths import seed_run
from emtnas_hpc.errors import InputError, SchedulerError, StorageError
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.slurm.acceptance import check_acceptance, may_be_memory
from emtnas_hpc.slurm.checks import (
    CheckResult,
    accepted_memory,
    check_data,
    check_node,
    check_profile,
    check_site,
    fine,
    warning,
    wrong,
)
from emtnas_hpc.slurm.fit import JobOptions, resolve
from emtnas_hpc.slurm.job_files import JobSpec
from emtnas_hpc.slurm.probe import LOCK, NONCE, REPORT, describe_python
from emtnas_hpc.slurm.profile import Profile, shipped_directory
from emtnas_hpc.slurm.queue import read_queue, why_it_waits
from emtnas_hpc.slurm.site import most_gpus, read_cluster_settings, read_nodes, read_partitions
from emtnas_hpc.slurm.slurm import clean, run_command, sbatch_environment
from emtnas_hpc.slurm.submit import make_executor, refuse_pattern, sbatch_text, submitted_id

log = logging.getLogger(__name__)

_COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo", "srun")
_SKIPPED = "it is left out; if a program of your site prints it, that need not be"
#: The probe takes seconds; a short limit lets it begin in gaps of the queue.
_PROBE_MIN = 2
_POLL_S = 0.5


@dataclass(frozen=True)
class Doctor:
    """Examines this cluster for one experiment.

    Attributes:
        options: what was typed about the jobs.
        prepare_command: prepares the data.
        patience_s: how long the probe job may wait in the queue.
    """

    experiment: Experiment
    options: JobOptions
    runs: Path
    data: Path
    device: str
    prepare_command: str
    patience_s: float

    def run_checks(self) -> Iterator[CheckResult]:
        """All checks, each as soon as it is done; what SLURM refuses is the result of one."""
        yield from check_data(self.experiment, self.data, self.prepare_command)
        missing = [name for name in _COMMANDS if shutil.which(name) is None]
        if missing:
            advice = "run it on a node of a SLURM cluster, such as its login node"
            yield wrong("SLURM", f"there is no {', no '.join(missing)} here", advice)
            return
        try:
            settings = read_cluster_settings()
            yield fine("SLURM", f"{settings.version} answers")
            yield from _check_queue()
            resolved = resolve(self.options)
            yield from (warning("SLURM", remark, _SKIPPED) for remark in resolved.remarks)
            yield check_profile(resolved.source, shipped_directory())
            profile = resolved.profile
            names = profile.partition.split(",")
            partitions = [each for each in read_partitions() if each.name in names]
            gpu_types = most_gpus(read_nodes(profile.partition))
            yield from check_site(profile, partitions, gpu_types, settings)
            yield from self._check_jobs(profile)
        except InputError as error:
            yield wrong("job options", str(error))
        except SchedulerError as error:
            yield wrong("SLURM", str(error))
        except StorageError as error:
            yield wrong("run directory", str(error))

    def _check_jobs(self, profile: Profile) -> Iterator[CheckResult]:
        """Whether SLURM would accept a seed's job, and what a probe finds on a node."""
        run = seed_run(self.runs, self.experiment.name, 0)
        data = str(self.data.absolute())
        spec = JobSpec(
            profile=profile, data=data, device=self.device, prepare_command=self.prepare_command
        )
        try:
            refuse_pattern(self.runs, "choose another --runs directory")
        except InputError as error:
            yield wrong("sbatch", str(error))
            return
        try:
            waits, remarks = check_acceptance(sbatch_text(run, spec))
        except InputError as error:
            advice = accepted_memory(run, spec) if may_be_memory(error) else ""
            yield wrong("sbatch", str(error), advice)
            return
        advice = accepted_memory(run, spec) if waits else ""
        yield from (warning("sbatch", remark, advice) for remark in remarks)
        if not remarks:
            yield fine("sbatch", "SLURM accepts such jobs as `launch` submits")
        yield from self._check_node(profile)

    def _check_node(self, profile: Profile) -> Iterator[CheckResult]:
        with probe_folder(self.runs) as probe:
            log.info("a test job looks around on a node")
            try:
                reason = probe.run_job(profile, self.patience_s)
            except SchedulerError as error:
                yield wrong("test job", str(error))
                return
            if reason is not None:
                found = f"did not begin within {self.patience_s:.0f} s: {reason}"
                yield warning("test job", found, "try again later")
                return
            report = probe.report()
            if report is None:
                said = probe.last_log_line() or "nothing in its log"
                found = f"ended without an answer ({said})"
                yield wrong("test job", found, "correct that and try again")
                return
        wants_cuda = bool(profile.gpus) and self.device != "cpu"
        here = describe_python()
        yield from check_node(json.loads(report), here, probe.nonce, wants_cuda=wants_cuda)


def _check_queue() -> Iterator[CheckResult]:
    """What squeue prints besides jobs, or instead of them; nothing where all is well."""
    notice = ""
    try:
        queue = read_queue()
        notice = queue.notice
        queue.without_doubt()
    except SchedulerError as error:
        advice = "nothing is submitted or cancelled as long as jobs cannot be told from that"
        yield wrong("queue", str(error), advice)
    if notice:
        yield warning("queue", notice, _SKIPPED)


class ProbeFolder:
    """Where the probe job finds a nonce, a random text, and leaves its report."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nonce = secrets.token_hex(8)

    def report(self) -> str | None:
        """What the job has reported, if it has."""
        with suppress(OSError):
            # Listed anew: a network file system may remember that a file was not there.
            if REPORT in {path.name for path in self.folder.iterdir()}:
                return (self.folder / REPORT).read_text(errors="replace")
        return None

    def last_log_line(self) -> str:
        """The last line of the job's log; empty if there is none."""
        with suppress(OSError):
            logs = (path.read_text(errors="replace") for path in self.folder.glob("*.out"))
            lines = [line.strip() for text in logs for line in text.splitlines() if line.strip()]
            return lines[-1] if lines else ""
        return ""

    def run_job(self, profile: Profile, patience_s: float) -> str | None:
        """Submits the probe and waits for its report; it is cancelled afterwards, also at Ctrl-C.

        Args:
            profile: what it asks for, but for its time limit.
            patience_s: how long it may wait in the queue.

        Returns:
            Why it has not begun; None if it has, or if it left the queue before.

        Raises:
            SchedulerError: SLURM refuses it, or cannot be asked.
        """
        job_id = self._submit(profile)
        try:
            end = time.monotonic() + patience_s
            notices: set[str] = set()
            while True:
                queue = read_queue(notices)
                job = next((job for job in queue if job.job_id == job_id), None)
                if job is None:
                    queue.without_doubt()
                    return None
                if self.report() is not None:
                    return None
                if job.state == "PENDING" and time.monotonic() >= end:
                    return f"job {job_id} {why_it_waits(job)}"
                time.sleep(_POLL_S)
        finally:
            with suppress(SchedulerError):
                run_command("scancel", job_id)

    def _submit(self, profile: Profile) -> str:
        lead_s = min(profile.lead_time_s, 60 * _PROBE_MIN // 4)
        asked = profile.model_copy(update={"time": _PROBE_MIN, "lead_time_s": lead_s})
        executor = make_executor(self.folder, asked, "emtnas-doctor")
        probe = [sys.executable, "-u", "-m", "emtnas_hpc.slurm.probe", str(self.folder)]
        script = self.folder / "probe.sh"
        with storage_errors(script):
            script.write_bytes(os.fsencode(executor.text(shlex.join(probe))))
        with sbatch_environment():
            answer = run_command("sbatch", "--parsable", str(script))
        job_id = submitted_id(answer)
        if job_id is None:
            raise SchedulerError(f"sbatch gave an answer that is not understood: {clean(answer)}")
        return job_id


@contextmanager
def probe_folder(runs: Path) -> Iterator[ProbeFolder]:
    """Makes a folder below `runs`, locked as long as it is used, and removes it.

    Raises:
        StorageError: nothing can be written there.
    """
    was_there = runs.exists()
    probe = ProbeFolder(runs.absolute() / f".doctor-{secrets.token_hex(4)}")
    make_directory(probe.folder)
    try:
        with storage_errors(probe.folder):
            (probe.folder / NONCE).write_text(probe.nonce)
        with exclusive(probe.folder / LOCK, lambda: None):
            yield probe
    finally:
        shutil.rmtree(probe.folder, ignore_errors=True)
        if not was_there:
            with suppress(OSError):
                runs.rmdir()
