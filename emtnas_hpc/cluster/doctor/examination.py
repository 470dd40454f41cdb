"""All checks in their order; each finding is told as soon as it is there."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.cluster.acceptance import check_acceptance, may_be_memory, may_wait
from emtnas_hpc.cluster.doctor.data_check import check_data
from emtnas_hpc.cluster.doctor.errand import LEAD_S, Workplace, run_job, workplace
from emtnas_hpc.cluster.doctor.finding import Finding, Grade, fine, warning, wrong
from emtnas_hpc.cluster.doctor.memory_check import accepted_memory
from emtnas_hpc.cluster.doctor.node_checks import check_node
from emtnas_hpc.cluster.doctor.probe import HEARD, REPORT, describe_python
from emtnas_hpc.cluster.doctor.profile_check import check_profile
from emtnas_hpc.cluster.doctor.signals_check import check_signals
from emtnas_hpc.cluster.doctor.site_checks import check_site
from emtnas_hpc.cluster.profile import Profile
from emtnas_hpc.cluster.profiles import shipped_directory
from emtnas_hpc.cluster.queue import QueuedJob, read_queue
from emtnas_hpc.cluster.request import JobRequest
from emtnas_hpc.cluster.resolving import Wishes, resolve
from emtnas_hpc.cluster.script import refuse_pattern
from emtnas_hpc.cluster.site import read_gpu_types, read_partitions, read_site
from emtnas_hpc.cluster.submission import sbatch_text
from emtnas_hpc.errors import InputError, SchedulerError, StorageError
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.store.paths import seed_run

_COMMANDS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo", "srun")
_LISTEN_MIN = 1
_SKIPPED = "it is left out; if a program of your site prints it, that need not be"


@dataclass(frozen=True)
class Examination:
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
    wishes: Wishes
    runs: Path
    data: Path
    device: str
    mend: str
    with_signals: bool
    patience_s: float


def examine(order: Examination, say: Callable[[str], None]) -> Iterator[Finding]:
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
        yield Finding("partition", Grade.WRONG, str(error))
    except SchedulerError as error:
        yield Finding("SLURM", Grade.WRONG, str(error))
    except StorageError as error:
        yield Finding("run directory", Grade.WRONG, str(error))


def _queue() -> Iterator[Finding]:
    """What squeue prints besides jobs, or instead of them; nothing where all is well."""
    said: list[str] = []
    try:
        read_queue(said.append).without_doubt()
    except SchedulerError as error:
        advice = "nothing is submitted or cancelled as long as jobs cannot be told from that"
        yield wrong("queue", str(error), advice)
    yield from (warning("queue", line, _SKIPPED) for line in said)


def _submitted(
    order: Examination, profile: Profile, say: Callable[[str], None]
) -> Iterator[Finding]:
    """What takes a job: whether SLURM would accept it, and what one of the doctor's finds."""
    run = seed_run(order.runs, order.experiment.name, 0)
    request = JobRequest(
        profile=profile, data=str(order.data.absolute()), device=order.device, mend=order.mend
    )
    try:
        refuse_pattern(order.runs, "choose another --runs directory")
    except InputError as error:
        yield Finding("sbatch", Grade.WRONG, str(error))
        return
    try:
        remarks = check_acceptance(sbatch_text(run, request))
    except InputError as error:
        advice = accepted_memory(run, request) if may_be_memory(error) else ""
        yield wrong("sbatch", str(error), advice)
        return
    waits = any(may_wait(remark) for remark in remarks)
    advice = accepted_memory(run, request) if waits else ""
    yield from (Finding("sbatch", Grade.WARNING, remark, advice) for remark in remarks)
    if not remarks:
        yield fine("sbatch", "SLURM accepts such jobs as `launch` submits")
    yield from _on_a_node(order, profile, say)


def _on_a_node(
    order: Examination, profile: Profile, say: Callable[[str], None]
) -> Iterator[Finding]:
    with workplace(order.runs) as place:
        say("a test job looks around on a node")

        def has_answered(job: QueuedJob | None) -> bool:
            return job is None or place.answer(REPORT) is not None

        try:
            waits = run_job(
                place, profile, "look", has_answered, minutes=2, patience_s=order.patience_s
            )
        except SchedulerError as error:
            yield Finding("test job", Grade.WRONG, str(error))
            return
        yield from _looked(order, place, profile, waits)
        if order.with_signals and waits is None:
            say("a test job runs into its limit of a minute; this takes about two")
            yield from _listened(order, place, profile)


def _looked(
    order: Examination, place: Workplace, profile: Profile, waits: str | None
) -> Iterator[Finding]:
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


def _listened(order: Examination, place: Workplace, profile: Profile) -> Iterator[Finding]:
    waits = run_job(
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
