"""Submitting one job: its record first, then sbatch by way of submitit, then SLURM's answer."""

from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from io import StringIO

from submitit.core.utils import FailedJobError, FailedSubmissionError

from emtnas_hpc.cluster.acceptance import REFUSED, is_refusal
from emtnas_hpc.cluster.records import (
    JobRecord,
    answered,
    give_up,
    job_name,
    new_record,
    write_record,
)
from emtnas_hpc.cluster.request import JobRequest
from emtnas_hpc.cluster.scheduler import clean, complaint, lines_of
from emtnas_hpc.cluster.script import Executor, make_executor, refuse_pattern
from emtnas_hpc.cluster.surroundings import as_for_sbatch
from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.store.paths import JobsPaths, RunPaths
from emtnas_hpc.store.refusals import storage_errors

_PLACEHOLDER = "00000000"


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
    executor = _executor(run.jobs, request, record)
    # submitit prints what sbatch complains of; here it becomes the error.
    with as_for_sbatch(), storage_errors(run.jobs.directory), redirect_stderr(StringIO()):
        try:
            job = executor.submit(SeedJob(str(run.directory.absolute())))
        except (FailedJobError, FailedSubmissionError) as error:
            said = _of_sbatch(str(error))
            if _is_decided(said):
                give_up(run.jobs, record)
                remove_leftovers(run.jobs)
            raise SchedulerError(_reason(said, str(error))) from None
    _remove_link(run.jobs, job.job_id)
    return answered(run.jobs, record, job.job_id)


def sbatch_text(run: RunPaths, request: JobRequest) -> str:
    """What sbatch will be given for the first job of a run, but for the intent in its name."""
    record = JobRecord(_PLACEHOLDER, job_name(run, _PLACEHOLDER), 0.0)
    return _executor(run.jobs, request, record).text()


def refuse_path(run: RunPaths) -> None:
    """Refuses a run directory whose name SLURM would take for a pattern.

    Raises:
        InputError: naming it.
    """
    refuse_pattern(run.directory, "choose another --runs directory or --name")


def remove_leftovers(jobs: JobsPaths) -> None:
    """Removes what submissions left behind that did not come to their end; needs the lock."""
    for pattern in ("*.pkl", ".submission_file_*.sh"):
        for path in jobs.directory.glob(pattern):
            with suppress(OSError):
                path.unlink()


def _executor(jobs: JobsPaths, request: JobRequest, record: JobRecord) -> Executor:
    return make_executor(jobs.logs("%j"), request.profile, record.name, record.after)


def _remove_link(jobs: JobsPaths, job_id: str) -> None:
    """Every script that is submitted leaves a link behind."""
    for path in jobs.directory.glob(".submission_file_*.sh"):
        if path.is_symlink() and path.readlink().parent.name == job_id:
            path.unlink(missing_ok=True)


def _of_sbatch(text: str) -> list[str]:
    """What sbatch itself complains of."""
    return [line for line in lines_of(text) if line.startswith("sbatch: ")]


def _is_decided(said: Sequence[str]) -> bool:
    """Whether it is sure that SLURM refused: by an error; remarks of a site may use its words."""
    errors = [line for line in said if line.startswith("sbatch: error:")]
    return all(is_refusal(REFUSED + "; ".join(lines)) for lines in (said, errors))


def _reason(said: Sequence[str], text: str) -> str:
    if not said:
        return f"sbatch answered what nobody understands: {clean(text) or 'nothing'}"
    return REFUSED + "; ".join(line.removeprefix("sbatch: error: ") for line in complaint(said))
