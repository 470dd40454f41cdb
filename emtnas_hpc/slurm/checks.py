"""The doctor's checks: judgements of what SLURM says of a site, and a probe of a node."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.data.copies import copy_folders, current_copy, fingerprint, read_copies
from emtnas_hpc.data.dataset import open_copy
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.errors import InputError, SchedulerError, UnpreparedError
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.hints import prepare_advice
from emtnas_hpc.slurm.acceptance import check_acceptance
from emtnas_hpc.slurm.job_files import JobSpec
from emtnas_hpc.slurm.profile import MEMORY_OPTIONS, Profile, default_layer, stack
from emtnas_hpc.slurm.site import ClusterSettings, Partition
from emtnas_hpc.slurm.slurm import format_limit
from emtnas_hpc.slurm.submit import sbatch_text


class Grade(Enum):
    """How bad it is."""

    FINE = "fine"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Attributes:
        check: what was looked at, in a word or two.
        advice: what to do about it; empty where nothing has to be done.
    """

    check: str
    grade: Grade
    found: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.found}; {self.advice}" if self.advice else self.found


def fine(check: str, found: str) -> CheckResult:
    """Nothing has to be done."""
    return CheckResult(check, Grade.FINE, found)


def warning(check: str, found: str, advice: str) -> CheckResult:
    """Jobs will run, with a restriction."""
    return CheckResult(check, Grade.WARNING, found, advice)


def wrong(check: str, found: str, advice: str = "") -> CheckResult:
    """Jobs will not run."""
    return CheckResult(check, Grade.WRONG, found, advice)


#: What SLURM does with a job that has to make room, by its word for it.
_BECOMES = {"REQUEUE": "requeued", "CANCEL": "cancelled", "SUSPEND": "suspended"}


def check_site(
    profile: Profile,
    partitions: Sequence[Partition],
    gpu_types: Mapping[str, int],
    settings: ClusterSettings,
) -> Iterator[CheckResult]:
    """All that can be said without a job; `gpu_types` has by type the most of a node."""
    is_up = any(partition.state == "UP" for partition in partitions)
    yield from (_partition(profile, partition, any_is_up=is_up) for partition in partitions)
    yield _gpus(profile, gpu_types)
    yield _requeue(settings)
    yield from _preemptions(partitions, settings)
    yield _accounting(settings)


def _partition(profile: Profile, partition: Partition, *, any_is_up: bool) -> CheckResult:
    limit = "any time"
    if partition.limit_min is not None:
        limit = f"up to {format_limit(partition.limit_min)}"
    found = f"{partition.name} is {partition.state}, its jobs may take {limit}"
    if partition.state != "UP" and any_is_up:
        return warning("partition", found, "jobs run in the others until it is up")
    if partition.state != "UP":
        return wrong("partition", found, "choose another one or wait until it is up")
    return fine("partition", f"{found}; ours ask for {format_limit(profile.time)}")


def _gpus(profile: Profile, gpu_types: Mapping[str, int]) -> CheckResult:
    there = ", ".join(f"{most} x {kind or 'GPU'}" for kind, most in gpu_types.items())
    found = f"a node has up to {there}" if there else "SLURM knows of no GPU in the partition"
    if not profile.gpus:
        return warning(
            "GPUs", f"{found}; ours ask for none", "a CPU is slow: --gpus 1 asks for one"
        )
    if not profile.gpu_type and len(gpu_types) > 1:
        return warning(
            "GPUs",
            f"{found}; ours ask for any of them",
            "a seed that changes its GPU's model is not the same bit for bit: set gpu_type in a "
            "profile",
        )
    return fine("GPUs", f"{found}; ours ask for {profile.gres}")


def _requeue(settings: ClusterSettings) -> CheckResult:
    if settings.requeues:
        return fine("requeue", "jobs are requeued")
    return warning(
        "requeue",
        "jobs are not requeued unless they ask for it (JobRequeue=0); ours ask",
        "if that is refused, standby jobs go on instead",
    )


def _preemptions(
    partitions: Sequence[Partition], settings: ClusterSettings
) -> Iterator[CheckResult]:
    if settings.preemption == "none":
        yield fine("preemption", "no job has to make room for another one")
    elif settings.preemption == "partition_prio":
        yield from (_preemption(partition, settings) for partition in partitions)
    else:
        yield warning(
            "preemption",
            f"cannot tell whether jobs have to make room: {_preemption_rule(settings)}",
            "ask your site; whatever becomes of a job, it begins again or its standby job goes on",
        )


def _preemption_rule(settings: ClusterSettings) -> str:
    if settings.preemption == "qos":
        return "their QOS decides (preempt/qos)"
    return f"PreemptType is {settings.values.get('PreemptType', 'not told')}"


def _preemption(partition: Partition, settings: ClusterSettings) -> CheckResult:
    modes = [mode for mode in partition.preempt_mode.split(",") if mode != "GANG"]
    mode = modes[0] if modes else ""
    if mode == "OFF":
        return fine("preemption", f"no job of {partition.name} has to make room for another one")
    if mode not in _BECOMES:
        return warning(
            "preemption",
            f"cannot tell what becomes of a job of {partition.name} that has to make room: "
            f"PreemptMode is {partition.preempt_mode or 'not told'}",
            "ask your site",
        )
    grace = f"after {partition.grace_s} s" if partition.grace_s else "at once"
    found = f"a job of {partition.name} that has to make room is {_BECOMES[mode]} {grace}"
    if mode == "SUSPEND":
        return fine("preemption", f"{found}, and goes on later")
    if mode == "CANCEL":
        found += ", and its standby job goes on"
    if not settings.signals_preempted:
        return warning(
            "preemption",
            f"{found}; it does not hear the signal that it asks for",
            "up to a minute of work is repeated; preempt_send_user_signal in SlurmctldParameters "
            "would avoid that",
        )
    return fine("preemption", f"{found}; it is told before")


def _accounting(settings: ClusterSettings) -> CheckResult:
    if settings.keeps_accounts:
        return fine("accounting", "SLURM keeps accounts: `status` tells how a lost job ended")
    return warning(
        "accounting",
        "SLURM keeps no accounts",
        "`status` cannot tell how a lost job ended; `logs` may",
    )


def check_node(
    report: Mapping[str, Any], here: Mapping[str, Any], nonce: str, *, wants_cuda: bool
) -> Iterator[CheckResult]:
    """All that a report tells.

    Args:
        report: of the probe.
        here: what it would say of this machine's Python.
        nonce: that was left in the run directory for it.
        wants_cuda: whether a search is to run on a GPU.
    """
    yield fine("test job", f"ran on {report['host']}")
    yield _directory(report, nonce)
    yield _lock(report)
    yield _python(report, here)
    yield _device(report, wants_cuda)
    yield _submitting(report)


def _directory(report: Mapping[str, Any], nonce: str) -> CheckResult:
    if report["nonce"] != nonce:
        return wrong(
            "run directory",
            f"{report['host']} does not see what was written there a moment ago",
            "choose a --runs directory on a file system that all nodes share",
        )
    if not report["replaced"]:
        return wrong(
            "run directory",
            f"on {report['host']} a rename does not replace a file there",
            "choose a --runs directory on another file system",
        )
    return fine("run directory", "seen and written from the node; a rename replaces a file")


def _lock(report: Mapping[str, Any]) -> CheckResult:
    if report["locked"]:
        return fine("locks", "one machine's lock is seen by the other")
    found = "has no locks" if report["locked"] is None else "keeps locks to one machine"
    return warning(
        "locks",
        f"the file system {found}",
        "do not launch, resume or cancel the same run from two machines at a time",
    )


def _python(report: Mapping[str, Any], here: Mapping[str, Any]) -> CheckResult:
    found = {"python": report["python"], "package": report["package"], **report["versions"]}
    ours = {"python": here["python"], "package": here["package"], **here["versions"]}
    other = [f"{n} {found[n]} instead of {v}" for n, v in ours.items() if found.get(n) != v]
    if other:
        return wrong(
            "Python",
            f"other on the node: {', '.join(other)}",
            "use one environment on a shared file system, or a profile's setup lines",
        )
    return fine("Python", f"as here: Python {found['python']}, torch {found['torch']}")


def _device(report: Mapping[str, Any], wants_cuda: bool) -> CheckResult:
    conditions = report["conditions"]
    if conditions is None:
        advice = "install a torch that works on the nodes"
        return wrong(
            "device", f"torch cannot be used on the node ({report['torch_error']})", advice
        )
    found = f"a search would run on {conditions['device_model']} ({conditions['device']})"
    if wants_cuda and not conditions["device"].startswith("cuda"):
        return wrong(
            "device",
            f"{found}, though jobs ask for a GPU: torch {conditions['torch']} sees none",
            "install a torch that is built for the node's driver",
        )
    return fine("device", found)


def _submitting(report: Mapping[str, Any]) -> CheckResult:
    missing = [name for name, there in report["commands"].items() if not there]
    objection = f"there is no {' and no '.join(missing)}" if missing else report["queue"]
    if objection:
        return warning(
            "SLURM from a node",
            f"{objection}",
            "a job there cannot requeue itself or submit its standby job: set spares in a profile "
            "to the number of jobs that a seed takes",
        )
    return fine("SLURM from a node", "jobs can requeue themselves and submit their standby jobs")


def accepted_memory(run: RunPaths, spec: JobSpec) -> str:
    """Tries a job that SLURM would not take with memory asked for in other ways.

    Returns:
        What a profile is to say for the first way that SLURM accepts; empty where it accepts none.
    """
    for line, profile in _ways(spec.profile):
        asked = spec.model_copy(update={"profile": profile})
        try:
            waits, _remarks = check_acceptance(sbatch_text(run, asked))
        except (InputError, SchedulerError):
            continue
        if not waits:
            return f"SLURM accepts the same job with memory asked for in another way: {line}"
    return ""


def _ways(profile: Profile) -> Iterator[tuple[str, Profile]]:
    """A profile's lines, and the profile with them; the way that it has is not among them."""
    sbatch = {name: v for name, v in profile.sbatch.items() if name not in MEMORY_OPTIONS}
    bare = profile.model_copy(update={"memory_gb": 0.0, "sbatch": sbatch})
    total_mb = profile.memory_mb or stack([default_layer()]).profile.memory_mb
    if not profile.memory_mb:
        memory_gb = total_mb / 1024
        yield f"memory_gb = {memory_gb:g}", bare.model_copy(update={"memory_gb": memory_gb})
    for name, n in (("mem-per-cpu", profile.cpus), ("mem-per-gpu", profile.gpus)):
        if n and name not in profile.memory_options:
            value = f"{math.ceil(total_mb / n)}M"
            with_it = bare.model_copy(update={"sbatch": {**sbatch, name: value}})
            yield f'{name} = "{value}" below [sbatch]', with_it
    if profile.memory_mb or profile.memory_options:
        yield "memory_gb = 0", bare


_EXAMPLES: Sequence[str] = ("example-2080ti.toml", "run-by-hand.sbatch")


def check_profile(source: str, shipped: Path) -> CheckResult:
    """Tells what jobs go by; `source` is the profile that holds, empty for the shipped default."""
    holds = f"{source} holds" if source else "no profile of yours has the partition"
    return fine("profile", f"{holds}; to copy: {' and '.join(_EXAMPLES)} in {shipped}")


def check_data(experiment: Experiment, data: Path, prepare_command: str) -> Iterator[CheckResult]:
    """A finding for every task; what lies there is looked at, but not all of it read."""
    for name in experiment.data_sets:
        check = f"data of {name}"
        try:
            source = parse_source(experiment.task[name], f"task.{name}.source")
            copies = read_copies(data, source)
            copy = current_copy(copies, fingerprint(source))
            if copies and copy is None:
                yield fine(check, f"{source.argument} has changed; `launch` makes it ready anew")
            elif copy_folders(data, source) or source.needs_download:
                open_copy(name, experiment.task[name], data, copy)
                yield fine(check, f"ready in {copy.folder if copy else data / source.key}")
            else:
                yield fine(check, "not there yet; needs no download, `launch` makes it ready")
        except UnpreparedError as error:
            yield wrong(check, str(error), prepare_advice(error, prepare_command))
        except InputError as error:
            yield wrong(check, str(error))
