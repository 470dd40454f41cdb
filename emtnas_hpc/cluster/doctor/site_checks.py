"""What SLURM says of itself and of the partition: pure judgements, a finding each."""

from collections.abc import Iterator, Mapping, Sequence

from emtnas_hpc.cluster.doctor.finding import Finding, fine, warning, wrong
from emtnas_hpc.cluster.minutes import format_limit
from emtnas_hpc.cluster.profile import Profile
from emtnas_hpc.cluster.site import Partition, Site

#: What SLURM does with a job that has to make room, by its word for it.
_BECOMES = {"REQUEUE": "requeued", "CANCEL": "cancelled", "SUSPEND": "suspended"}


def check_site(
    profile: Profile, partitions: Sequence[Partition], gpu_types: Mapping[str, int], site: Site
) -> Iterator[Finding]:
    """All that can be said without a job.

    Args:
        profile: what jobs ask for.
        partitions: that they may go to.
        gpu_types: of their nodes: by type the most of a node.
        site: settings of the cluster.
    """
    yield from (_partition(profile, partition) for partition in partitions)
    yield _gpus(profile, gpu_types)
    yield _requeue(site)
    yield from _preemptions(partitions, site)
    yield _accounting(site)


def _partition(profile: Profile, partition: Partition) -> Finding:
    limit = "any time"
    if partition.limit_min is not None:
        limit = f"up to {format_limit(partition.limit_min)}"
    found = f"{partition.name} is {partition.state}, its jobs may take {limit}"
    if partition.state != "UP":
        return wrong("partition", found, "choose another one or wait until it is up")
    return fine("partition", f"{found}; ours ask for {format_limit(profile.time)}")


def _gpus(profile: Profile, gpu_types: Mapping[str, int]) -> Finding:
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


def _requeue(site: Site) -> Finding:
    if site.requeues:
        return fine("requeue", "jobs are requeued")
    return warning(
        "requeue",
        "jobs are not requeued unless they ask for it (JobRequeue=0); ours ask",
        "if that is refused, spares go on instead",
    )


def _preemptions(partitions: Sequence[Partition], site: Site) -> Iterator[Finding]:
    if site.preemption == "none":
        yield fine("preemption", "no job has to make room for another one")
    elif site.preemption == "partition_prio":
        yield from (_preemption(partition, site) for partition in partitions)
    else:
        yield warning(
            "preemption",
            f"cannot tell whether jobs have to make room: {_preemption_rule(site)}",
            "ask your site; whatever becomes of a job, it begins again or its spare goes on",
        )


def _preemption_rule(site: Site) -> str:
    if site.preemption == "qos":
        return "their QOS decides (preempt/qos)"
    return f"PreemptType is {site.values.get('PreemptType', 'not told')}"


def _preemption(partition: Partition, site: Site) -> Finding:
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
        found += ", and its spare goes on"
    if not site.signals_preempted:
        return warning(
            "preemption",
            f"{found}; it does not hear the signal that it asks for",
            "up to a minute of work is repeated; preempt_send_user_signal in SlurmctldParameters "
            "would avoid that",
        )
    return fine("preemption", f"{found}; it is told before")


def _accounting(site: Site) -> Finding:
    if site.keeps_accounts:
        return fine("accounting", "SLURM keeps accounts: `status` tells how a lost job ended")
    return warning(
        "accounting",
        "SLURM keeps no accounts",
        "`status` cannot tell how a lost job ended; `logs` may",
    )
