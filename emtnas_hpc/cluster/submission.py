"""Submitting one job: its record first, then sbatch by way of submitit, then SLURM's answer."""

import shlex
import tempfile
from contextlib import redirect_stderr, suppress
from io import StringIO
from pathlib import Path

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError

from emtnas_hpc.cluster.profile import Profile
from emtnas_hpc.cluster.records import (
    JobRecord,
    answered,
    give_up,
    job_name,
    new_record,
    write_record,
)
from emtnas_hpc.cluster.request import JobRequest
from emtnas_hpc.cluster.scheduler import PATIENCE_S, call
from emtnas_hpc.cluster.surroundings import as_for_sbatch, package_root, standing_options
from emtnas_hpc.errors import InputError, SchedulerError
from emtnas_hpc.store.paths import JobsPaths, RunPaths
from emtnas_hpc.store.refusals import shown, storage_errors

#: submitit refuses to requeue after so many time-outs; how often is ours to judge.
_NO_END = 1_000_000
#: `timeout` leaves with it.
_TIMED_OUT = 124
_PLACEHOLDER = "00000000"
_REFUSED = "sbatch refused: "
_NOT_NOW = "Requested node configuration is not available"
#: SLURM's words where its controller did not decide anything.
_SILENCES = ("Unable to contact", "Socket timed out", "Zero Bytes", "Connection refused")


def submit(run: RunPaths, request: JobRequest, after: str | None = None) -> JobRecord:
    """Submits a job that carries a run on; from within a job too.

    The caller holds the lock of the run's jobs. Where nobody knows what SLURM made of the request,
    the record stays an intent.

    Args:
        run: what to carry on.
        request: what the job is told.
        after: id of the job whose end it waits for, whatever that end is.

    Raises:
        SchedulerError: SLURM refused or did not answer.
        StorageError: the disk refused.
    """
    from emtnas_hpc.cluster.job import SeedJob

    record = new_record(run, after)
    write_record(run.jobs, record)
    executor = _executor(run.jobs, request.profile, record)
    # submitit prints what sbatch complains of; here it becomes the error.
    with as_for_sbatch(), storage_errors(run.jobs.directory), redirect_stderr(StringIO()):
        try:
            job = executor.submit(SeedJob(str(run.directory.absolute())))
        except (FailedJobError, FailedSubmissionError) as error:
            reason = _reason(error)
            if reason.startswith(_REFUSED) and not _is_silence(reason):
                give_up(run.jobs, record)
                remove_leftovers(run.jobs)
            raise SchedulerError(reason) from None
    _remove_link(run.jobs, job.job_id)
    return answered(run.jobs, record, job.job_id)


def sbatch_text(run: RunPaths, request: JobRequest) -> str:
    """What sbatch will be given for the first job of a run, but for the intent in its name."""
    record = JobRecord(_PLACEHOLDER, job_name(run, _PLACEHOLDER), 0.0)
    executor = _executor(run.jobs, request.profile, record)
    return executor._make_submission_file_text(executor._submitit_command_str, "")


def check_acceptance(run: RunPaths, request: JobRequest) -> str:
    """Asks SLURM whether it would accept such a job; nothing is submitted.

    Returns:
        What the user should know of one that it accepts, on one line; empty if nothing.

    Raises:
        InputError: it would not.
        SchedulerError: SLURM does not answer.
    """
    with tempfile.NamedTemporaryFile("w", prefix="emtnas-", suffix=".sh") as script:
        script.write(sbatch_text(run, request))
        script.flush()
        with as_for_sbatch():
            try:
                call("sbatch", "--test-only", script.name)
            except SchedulerError as error:
                return _unless_refused(error)
    return _beside_the_script()


def refuse_path(run: RunPaths) -> None:
    """Refuses a run directory whose name SLURM would take for a pattern.

    Raises:
        InputError: naming it.
    """
    path = str(run.directory.absolute())
    for sign in ("%", "\\"):
        if sign in path:
            raise InputError(
                f"{shown(run.directory)} has {sign!r} in its path, which SLURM reads as a pattern; "
                "choose another --runs directory or --name"
            )


def remove_leftovers(jobs: JobsPaths) -> None:
    """Removes what submissions left behind that did not come to their end; needs the lock."""
    for pattern in ("*.pkl", ".submission_file_*.sh"):
        for path in jobs.directory.glob(pattern):
            with suppress(OSError):
                path.unlink()


class _Executor(submitit.SlurmExecutor):
    """submitit's, but it does not wait for an sbatch that hangs."""

    @staticmethod
    def _make_submission_command(submission_file_path: Path) -> list[str]:
        limit = ["timeout", "--kill-after=1", f"{PATIENCE_S:.0f}"]
        return [*limit, "sbatch", str(submission_file_path)]


def _executor(jobs: JobsPaths, profile: Profile, record: JobRecord) -> _Executor:
    try:
        executor = _Executor(jobs.logs("%j"), max_num_timeout=_NO_END)
    except RuntimeError:
        raise SchedulerError(
            "there is no command srun here; this must run on a node of a SLURM cluster"
        ) from None
    options = {name: value for name, value in profile.sbatch.items() if value is not False}
    options |= {"requeue": True, **({"gres": profile.gres} if profile.gres else {})}
    optional = {
        "account": profile.account,
        "qos": profile.qos,
        "constraint": profile.constraint,
        "dependency": f"afterany:{record.after}" if record.after else "",
    }
    executor.update_parameters(
        job_name=record.name,
        partition=profile.partition,
        time=profile.time,
        nodes=1,
        ntasks_per_node=1,
        cpus_per_task=profile.cpus,
        mem=f"{profile.memory_mb}M",
        signal_delay_s=profile.lead_time_s,
        stderr_to_stdout=True,
        setup=[*profile.setup, _find_package()],
        # Since 22.05 srun no longer takes this over from sbatch.
        srun_args=[f"--cpus-per-task={profile.cpus}"],
        additional_parameters=options,
        **{name: value for name, value in optional.items() if value},
    )
    return executor


def _find_package() -> str:
    """A line of shell: the job is to import the same package, wherever setup lines lead it."""
    root = shlex.quote(package_root())
    return f'export PYTHONPATH={root}"${{PYTHONPATH:+:$PYTHONPATH}}"'


def _remove_link(jobs: JobsPaths, job_id: str) -> None:
    """Every script that is submitted leaves a link behind."""
    for path in jobs.directory.glob(".submission_file_*.sh"):
        if path.is_symlink() and path.readlink().parent.name == job_id:
            path.unlink(missing_ok=True)


def _beside_the_script() -> str:
    options = ", ".join(standing_options())
    return f"your environment gives the jobs more options: {options}" if options else ""


def _reason(error: Exception) -> str:
    said = [line.strip() for line in str(error).splitlines() if line.startswith("sbatch: ")]
    if getattr(error.__cause__, "returncode", None) == _TIMED_OUT:
        return f"sbatch did not answer within {PATIENCE_S:.0f} s; is SLURM's controller down?"
    if not said:
        return f"sbatch answered what nobody understands: {' '.join(str(error).split())}"
    return _REFUSED + "; ".join(line.removeprefix("sbatch: error: ") for line in said[:2])


def _is_silence(reason: str) -> bool:
    """Whether it was not SLURM's decision: nobody was there to take one."""
    return any(text in reason for text in _SILENCES)


def _unless_refused(error: SchedulerError) -> str:
    text = str(error)
    if not text.startswith(_REFUSED) or _is_silence(text):
        raise error
    said = text.removeprefix(_REFUSED)
    if _NOT_NOW in said:
        # It says so of nodes that are down or drained too; a job would be accepted, and wait.
        return f"no node can take such a job now, it would wait; SLURM says: {said}"
    raise InputError(f"SLURM would not accept such a job: {said}")
