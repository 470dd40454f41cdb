"""What SLURM says of itself and of the partition: pure judgements, a finding each."""

from collections.abc import Iterator, Mapping

from emtnas_hpc.cluster.doctor.finding import Finding, fine, warning, wrong
from emtnas_hpc.cluster.minutes import format_limit
from emtnas_hpc.cluster.profile import Profile
from emtnas_hpc.cluster.site import Partition, Site


def check_site(
    profile: Profile, partition: Partition, gpu_types: Mapping[str, int], site: Site
) -> Iterator[Finding]:
    """All that can be said without a job.

    Args:
        profile: what jobs ask for.
        partition: that they go to.
        gpu_types: of its nodes: by type the most of a node.
        site: settings of the cluster.
    """
    yield _partition(profile, partition)
    yield _gpus(profile, gpu_types)
    yield _requeue(site)
    yield _preemption(partition, site)
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


def _preemption(partition: Partition, site: Site) -> Finding:
    mode = partition.preempt_mode.split(",")[0]
    if not site.preempts or mode in ("", "OFF"):
        return fine("preemption", "no job of the partition has to make room for another one")
    what = {"REQUEUE": "requeued", "CANCEL": "cancelled", "SUSPEND": "suspended"}
    grace = f"after {partition.grace_s} s" if partition.grace_s else "at once"
    found = f"a job that has to make room is {what.get(mode, mode)} {grace}"
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
