"""SLURM's words for why a job waits, in words that a user of SLURM need not look up."""

from emtnas_hpc.cluster.queue import QueuedJob

_WORDS = {
    "None": "is about to be looked at by SLURM",
    "Resources": "waits for free nodes",
    "Priority": "waits for jobs of higher priority",
    "Dependency": "waits until the job before it has ended",
    "DependencyNeverSatisfied": "waits for what will never happen: `cancel`, then `resume`",
    "BeginTime": "may begin again in a moment",
    "JobHeldUser": "is held; `scontrol release` lets it go",
    "JobHeldAdmin": "is held by an administrator; ask why",
    "PartitionDown": "waits: the partition is down",
    "PartitionInactive": "waits: the partition is switched off",
    "PartitionTimeLimit": "can never begin: its time limit is above the partition's",
    "PartitionNodeLimit": "can never begin: the partition has not so many nodes",
    "BadConstraints": "can never begin: no node fits what it asks for",
    "NodeDown": "waits: the node that it needs is down",
    "ReqNodeNotAvail": "waits: nodes that it needs are down or reserved",
    "Reservation": "waits for its reservation",
    "Licenses": "waits for a licence",
    "InvalidAccount": "can never begin: the account is not valid",
    "InvalidQOS": "can never begin: the QOS is not valid",
    "JobLaunchFailure": "could not be started on its node; SLURM tries again",
}


def why_it_waits(job: QueuedJob) -> str:
    """The reason of a pending job, as what follows `job 12`."""
    # `ReqNodeNotAvail, UnavailableNodes:n1` and the like.
    word = job.reason.split(",")[0].split("(")[0].strip()
    if word in _WORDS:
        return _WORDS[word]
    if "held" in job.reason.lower():
        return f"is held ({job.reason}); `scontrol release` lets it go"
    if word.startswith(("QOS", "Assoc")) or "Max" in word:
        return f"waits: a limit of your account or QOS is reached ({word})"
    return f"waits ({job.reason or 'SLURM says not why'})"
