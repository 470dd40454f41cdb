"""What sbatch is given: of a job that carries a run on, and of the doctor's, by the same code."""

import shlex
from pathlib import Path

import submitit

from emtnas_hpc.cluster.profile import Profile
from emtnas_hpc.cluster.scheduler import PATIENCE_S
from emtnas_hpc.cluster.surroundings import package_root
from emtnas_hpc.errors import InputError, SchedulerError
from emtnas_hpc.store.refusals import shown

#: submitit refuses to requeue after so many time-outs; how often is ours to judge.
_NO_END = 1_000_000


class Executor(submitit.SlurmExecutor):
    """submitit's, but it does not wait for an sbatch that hangs."""

    @staticmethod
    def _make_submission_command(submission_file_path: Path) -> list[str]:
        limit = ["timeout", "--kill-after=1", f"{PATIENCE_S:.0f}"]
        return [*limit, "sbatch", str(submission_file_path)]

    def text(self, command: str = "") -> str:
        """The script of a job.

        Args:
            command: a line of shell that it runs on its node; by default what runs a search.
        """
        return self._make_submission_file_text(command or self._submitit_command_str, "")


def make_executor(folder: Path, profile: Profile, name: str, after: str | None = None) -> Executor:
    """What makes and submits a job.

    Args:
        folder: of its log and of submitit's files; SLURM fills `%j` in.
        profile: what it asks for.
        name: of the job.
        after: id of the job whose end it waits for, whatever that end is.

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
    options |= {"requeue": True, **({"gres": profile.gres} if profile.gres else {})}
    optional = {
        "account": profile.account,
        "qos": profile.qos,
        "constraint": profile.constraint,
        "dependency": f"afterany:{after}" if after else "",
    }
    executor.update_parameters(
        job_name=name,
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
