"""Submitting one job: its record first, then sbatch by way of submitit, then SLURM's answer."""

import os
import re
import secrets
import shlex
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError

from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.checkpoint.paths import JobsPaths, RunPaths
from emtnas_hpc.errors import InputError, SchedulerError, shown
from emtnas_hpc.slurm.acceptance import REFUSED, is_refusal
from emtnas_hpc.slurm.job_files import (
    JobRecord,
    JobSpec,
    job_name,
    new_record,
    record_submitted,
    void_record,
    write_record,
)
from emtnas_hpc.slurm.profile import Profile
from emtnas_hpc.slurm.slurm import (
    PATIENCE_S,
    clean,
    complaint,
    lines_of,
    package_root,
    run,
    sbatch_environment,
)

#: submitit refuses to requeue after so many time-outs, and below a limit of ten minutes it takes
#: every signal for one; how often is ours to judge.
_NO_END = 1_000_000

#: sbatch's answer, that with --parsable, and what some other program says in its place.
_ANSWER = re.compile(r"^\s*Submitted batch job (\d+)\b", re.ASCII)
_PARSABLE = re.compile(r"^\s*(\d+)(?:;\S*)?\s*$", re.ASCII)
_OTHER_WORDS = re.compile(r"\bjob (\d+)\b", re.ASCII)


class Executor(submitit.SlurmExecutor):
    """submitit's, but with an sbatch that may hang, or say more than its answer."""

    def _submit_command(self, command: str) -> submitit.Job[Any]:
        """As submitit's, but whatever sbatch prints besides its answer is no harm."""
        script = Path(self.folder).parent / f".submission_file_{secrets.token_hex(16)}.sh"
        # A path in it need not be text.
        script.write_bytes(os.fsencode(self.text(command)))
        answer = run("sbatch", str(script), patience_s=PATIENCE_S)
        if answer.returncode:
            raise FailedJobError(answer.err or answer.out)
        job_id = submitted_id(answer.out)
        if job_id is None:
            raise FailedSubmissionError(answer.out)
        job = self.job_class(self.folder, job_id, tasks=[0])
        job.paths.move_temporary_file(script, "submission_file", keep_as_symlink=True)
        return job

    def text(self, command: str = "") -> str:
        """The script of a job; `command` is a line of shell, by default what runs a search."""
        return self._make_submission_file_text(command or self._submitit_command_str, "")


def make_executor(folder: Path, profile: Profile, name: str, after: str | None = None) -> Executor:
    """What makes and submits a job that waits for the end of another one, whatever that end is.

    `folder` is that of its log and of submitit's files; SLURM fills `%j` in.

    Raises:
        SchedulerError: there is no SLURM here.
    """
    try:
        executor = Executor(folder, max_num_timeout=_NO_END)
    except RuntimeError:
        raise SchedulerError(
            "there is no command srun here; this must run on a node of a SLURM cluster"
        ) from None
    options = {name: value for name, value in profile.sbatch.items() if value is not False}
    # Sites that requeue no job by themselves (JobRequeue=0) still do so where a job asks for it.
    options |= {"requeue": True, **({"gres": profile.gres} if profile.gres else {})}
    optional = {
        "account": profile.account,
        "qos": profile.qos,
        "constraint": profile.constraint,
        # A requeue is no end: what waits begins once the job has left the queue for good.
        "dependency": f"afterany:{after}" if after else "",
    }
    memory = profile.memory_mb and not profile.memory_options
    executor.update_parameters(
        job_name=name,
        partition=profile.partition,
        time=profile.time,
        nodes=1,
        ntasks_per_node=1,
        cpus_per_task=profile.cpus,
        mem=f"{profile.memory_mb}M" if memory else None,
        signal_delay_s=profile.lead_time_s,
        stderr_to_stdout=True,
        setup=[*profile.setup, _find_package()],
        # Since 22.05 srun no longer takes this over from sbatch.
        srun_args=[f"--cpus-per-task={profile.cpus}"],
        additional_parameters=options,
        **{name: value for name, value in optional.items() if value},
    )
    return executor


def submitted_id(text: str) -> str | None:
    """The number that sbatch has given a job; None where that cannot be told.

    It prints its answer, with or without --parsable, between a site's notices.
    """
    lines = lines_of(text)
    for form in (_ANSWER, _PARSABLE, _OTHER_WORDS):
        if found := {match[1] for line in lines for match in form.finditer(line)}:
            break
    return found.pop() if len(found) == 1 else None


def refuse_pattern(path: Path, advice: str) -> None:
    """Refuses a folder whose name SLURM would take for a pattern.

    Raises:
        InputError: naming it, with the advice.
    """
    for sign in ("%", "\\"):
        if sign in str(path.absolute()):
            raise InputError(
                f"{shown(path)} has {sign!r} in its path, which SLURM reads as a pattern; {advice}"
            )


def _find_package() -> str:
    """A line of shell: the job is to import the same package, wherever setup lines lead it."""
    root = shlex.quote(package_root())
    return f'export PYTHONPATH={root}"${{PYTHONPATH:+:$PYTHONPATH}}"'


_PLACEHOLDER = "00000000"


def submit(run: RunPaths, spec: JobSpec, after: str | None = None) -> JobRecord:
    """Submits a job that continues a run once job `after` has ended; from within a job too.

    The caller holds the lock of the run's jobs. Where it is not known what SLURM made of it, the
    record stays pending.

    Raises:
        SchedulerError: SLURM refused or did not answer.
        StorageError: the disk refused.
    """
    from emtnas_hpc.slurm.job import SeedJob

    record = new_record(run, after)
    write_record(run.jobs, record)
    executor = _executor(run.jobs, spec, record)
    # submitit prints what sbatch complains of; here it becomes the error.
    with sbatch_environment(), storage_errors(run.jobs.directory), redirect_stderr(StringIO()):
        try:
            job = executor.submit(SeedJob(str(run.directory.absolute())))
        except (FailedJobError, FailedSubmissionError) as error:
            said = _of_sbatch(str(error))
            if _is_decided(said):
                void_record(run.jobs, record)
                remove_leftovers(run.jobs)
            raise SchedulerError(_reason(said, str(error))) from None
    _remove_link(run.jobs, job.job_id)
    return record_submitted(run.jobs, record, job.job_id)


def sbatch_text(run: RunPaths, spec: JobSpec) -> str:
    """What sbatch will be given for the first job of a run, but for the record's id in its name."""
    record = JobRecord(_PLACEHOLDER, job_name(run, _PLACEHOLDER), 0.0)
    return _executor(run.jobs, spec, record).text()


def refuse_path(run: RunPaths) -> None:
    """Refuses a run directory whose name SLURM would take for a pattern.

    Raises:
        InputError: naming it.
    """
    refuse_pattern(run.directory, "choose another --runs directory or --name")


def remove_leftovers(jobs: JobsPaths) -> None:
    """Removes the files of submissions that did not end; needs the lock."""
    for pattern in ("*.pkl", ".submission_file_*.sh"):
        for path in jobs.directory.glob(pattern):
            with suppress(OSError):
                path.unlink()


def _executor(jobs: JobsPaths, spec: JobSpec, record: JobRecord) -> Executor:
    return make_executor(jobs.logs("%j"), spec.profile, record.name, record.after)


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
        return f"sbatch gave an answer that is not understood: {clean(text) or 'nothing'}"
    return REFUSED + "; ".join(line.removeprefix("sbatch: error: ") for line in complaint(said))
