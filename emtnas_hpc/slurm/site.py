"""What SLURM says of its partitions and nodes, and whether it would accept a job."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from emtnas_hpc.errors import InputError, SchedulerError
from emtnas_hpc.slurm.slurm import (
    Say,
    clean,
    instead_of,
    lines_of,
    none_of,
    number,
    parse_limit,
    run_command,
    sbatch_environment,
    silent,
    standing_options,
)

_GPU = re.compile(r"gpu:(?:([^:,()]+):)?(\d{1,6})(?![\w.])", re.ASCII)
#: What sinfo says of a node's CPUs or memory: a number, perhaps of the smallest such node, or none.
_COUNT = re.compile(r"\s*(?:-?\d[\d.,]*[+A-Z]*|[A-Z(][A-Za-z/()_]*|unknown|)\s*", re.ASCII)
_VALUE = re.compile(r"\d|N/A|\(null\)", re.ASCII)
#: What it says of resources that it does not know.
_UNKNOWN = ("N/A", "UNKNOWN", "INVALID")
_NO_PARTITIONS = "No partitions in the system"


@dataclass(frozen=True)
class Partition:
    """A partition of the cluster.

    Attributes:
        name: of it.
        is_default: whether jobs that name none go there.
        limit_min: longest time limit of a job in minutes; None where there is none.
        state: UP, or why no job begins.
        preempt_mode: SLURM's word for what happens to a job that must make room.
        grace_s: seconds that such a job is given.
        cpus: most of a node that its jobs may have together; None where that is all.
        memory_mb: likewise.
    """

    name: str
    is_default: bool = False
    limit_min: int | None = None
    state: str = "UP"
    preempt_mode: str = ""
    grace_s: int = 0
    cpus: int | None = None
    memory_mb: int | None = None


@dataclass(frozen=True)
class ClusterNode:
    """What a node has, whether it is up or not.

    Attributes:
        cpus: of it; None where SLURM says no number.
        memory_mb: likewise.
        gpus: by type, empty where SLURM names none; None where it says nothing of them.
    """

    cpus: int | None
    memory_mb: int | None
    gpus: Mapping[str, int] | None = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """Settings of the whole cluster, as SLURM writes them.

    Attributes:
        values: by name.
    """

    values: Mapping[str, str]

    @property
    def version(self) -> str:
        """Of SLURM."""
        return self.values.get("SLURM_VERSION", "")

    @property
    def requeues(self) -> bool:
        """Whether jobs are requeued that do not ask for it."""
        return self.values.get("JobRequeue") == "1"

    @property
    def signals_preempted(self) -> bool:
        """Whether a job that is preempted hears the signal that it asked for before its limit."""
        return "preempt_send_user_signal" in self.values.get("SlurmctldParameters", "")

    @property
    def preemption(self) -> str:
        """What decides whose jobs make room for others: none, partition_prio, qos; may be empty."""
        return self.values.get("PreemptType", "").removeprefix("preempt/")

    @property
    def keeps_accounts(self) -> bool:
        """Whether sacct knows how jobs ended."""
        return not self.values.get("AccountingStorageType", "").endswith("none")


def read_partitions(say: Say = silent) -> list[Partition]:
    """All partitions that this user sees.

    Args:
        say: told in a line of what scontrol printed besides partitions.

    Raises:
        SchedulerError: SLURM cannot be asked.
    """
    return parse_partitions(run_command("scontrol", "--oneliner", "show", "partition"), say)


def read_site() -> Site:
    """The settings of the cluster.

    Raises:
        SchedulerError: SLURM cannot be asked.
    """
    return parse_site(run_command("scontrol", "show", "config"))


def read_nodes(partition: str, say: Say = silent) -> list[ClusterNode]:
    """The kinds of nodes of a partition, or of several with commas between.

    Args:
        partition: name or names.
        say: told in a line of what sinfo printed besides nodes.

    Raises:
        SchedulerError: SLURM cannot be asked.
    """
    form = ("--exact", "--noheader", "--format", "%c|%m|%G")
    return parse_nodes(run_command("sinfo", "--partition", partition, *form), say)


def read_gpu_types(partition: str) -> Mapping[str, int]:
    """The GPUs of a partition's nodes: by type (empty where SLURM names none) the most of a node.

    Raises:
        SchedulerError: SLURM cannot be asked.
    """
    return most_gpus(read_nodes(partition))


def most_gpus(nodes: Sequence[ClusterNode]) -> Mapping[str, int]:
    """By type the most that a node has."""
    most: dict[str, int] = {}
    for node in nodes:
        most |= {kind: max(n, most.get(kind, 0)) for kind, n in (node.gpus or {}).items()}
    return most


def parse_partitions(text: str, say: Say = silent) -> list[Partition]:
    """The partitions of scontrol's lines, one a line.

    Raises:
        SchedulerError: none of them is a partition's.
    """
    found: list[str] = []
    others: list[str] = []
    for line in lines_of(text):
        is_one = line.startswith("PartitionName=") and line.split()[0] != "PartitionName="
        (found if is_one else others).append(line)
    others = [line for line in others if not line.startswith(_NO_PARTITIONS)]
    _tell_others("scontrol", "partition", found, others, say)
    return [_partition(line) for line in found]


def parse_site(text: str) -> Site:
    """The settings of scontrol's lines, `Name = value`.

    Raises:
        SchedulerError: there are none.
    """
    lines = lines_of(text)
    pairs = [line.partition("=") for line in lines if "=" in line]
    if lines and not pairs:
        raise instead_of("scontrol", "SLURM's settings", lines)
    return Site({name.strip(): clean(value) for name, _, value in pairs})


def parse_nodes(text: str, say: Say = silent) -> list[ClusterNode]:
    """The nodes of sinfo's lines, such as `8|64000|gpu:rtx2080ti:2(S:0-1),tmp:10G`.

    Raises:
        SchedulerError: none of them is a node's.
    """
    nodes: list[ClusterNode] = []
    others: list[str] = []
    for line in lines_of(text):
        columns = line.split("|", 2)
        if (
            len(columns) < 3
            or not _VALUE.search(line)
            or not all(map(_COUNT.fullmatch, columns[:2]))
        ):
            others.append(line)
            continue
        cpus, memory, resources = columns
        nodes.append(ClusterNode(_least(cpus), _least(memory), _gpus(clean(resources))))
    _tell_others("sinfo", "node", nodes, others, say)
    return nodes


def _tell_others(
    command: str, what: str, found: Sequence[object], others: Sequence[str], say: Say
) -> None:
    """Lines that are none of what was asked for: said, or an error where there is nothing else."""
    if others and not found:
        raise instead_of(command, f"{what}s", others)
    if others:
        say(none_of(command, f"a {what}'s", others))


def _least(text: str) -> int | None:
    """Of `8+` as of `8`; None of N/A and the like. No node has none."""
    return number(text.strip().removesuffix("+")) or None


def _gpus(resources: str) -> Mapping[str, int] | None:
    gpus: dict[str, int] = {}
    for name, count in _GPU.findall(resources):
        gpus[name] = gpus.get(name, 0) + int(count)
    is_unknown = "gpu" in resources or resources.upper() in _UNKNOWN
    return None if is_unknown and not gpus else gpus


def _partition(line: str) -> Partition:
    values = dict(clean(word).split("=", 1) for word in line.split() if "=" in word)
    return Partition(
        values["PartitionName"],
        values.get("Default") == "YES",
        _limit(values.get("MaxTime", "")),
        values.get("State", "UP"),
        values.get("PreemptMode", ""),
        number(values.get("GraceTime", "")) or 0,
        number(values.get("MaxCPUsPerNode", "")) or None,
        number(values.get("MaxMemPerNode", "")) or None,
    )


def _limit(text: str) -> int | None:
    """Of N/A and the like as of UNLIMITED: sbatch is asked as well."""
    try:
        return parse_limit(text)
    except ValueError:
        return None


#: What an error of sbatch begins with that is an answer of SLURM's.
REFUSED = "sbatch refused: "
_ASK_DOCTOR = (
    "`emtnas-hpc doctor` tries in which way SLURM takes a wish for memory, and says the line for a "
    "profile"
)
_WOULD_WAIT = "no node can take such a job now, it would wait"
_NOT_NOW = "Requested node configuration is not available"
_MEMORY = re.compile(r"memory|--?mem\b|mem[-_ ]?per|MaxMem|DefMem", re.IGNORECASE)
_OTHER_REASON = re.compile(
    r"account|qos|partition|time limit|permi|denied|group|option|constraint|reservation",
    re.IGNORECASE,
)
#: SLURM's words where its controller may not have decided anything.
_SILENCES = (
    *("unable to contact", "timed out", "zero bytes", "connection refused", "connection reset"),
    *("not connected", "connection failure", "send failure", "receive failure", "broken pipe"),
    *("standby mode", "try again", "temporarily", "authentication"),
    *("unreachable", "no route to host", "can't find an address"),
)
#: Its words where the controller decided against a job.
_REFUSALS = (
    *("invalid", "limit", "denied", "permitted", "violates", "requested ", "required "),
    *("specification", "not specified", "no partition", "not available", "dependency"),
    *("can not be satisfied", "unrecognized option", "too long", "too large"),
)


def check_acceptance(script: str) -> list[str]:
    """Asks SLURM whether it would accept a job.

    Args:
        script: what sbatch is to be given.

    Returns:
        What the user should know of a job that it accepts, in single lines.

    Raises:
        InputError: it would not.
        SchedulerError: SLURM does not answer.
    """
    found = []
    with tempfile.NamedTemporaryFile("w", prefix="emtnas-", suffix=".sh") as file:
        file.write(script)
        file.flush()
        with sbatch_environment():
            try:
                run_command("sbatch", "--test-only", file.name)
            except SchedulerError as error:
                found.append(_unless_refused(error))
    if options := ", ".join(standing_options()):
        found.append(f"your environment gives the jobs more options: {options}")
    return found


def memory_hint(error: Exception) -> str:
    """What to do where SLURM refused a job for its memory; empty where that is not the reason."""
    return f"; {_ASK_DOCTOR}" if _MEMORY.search(str(error)) else ""


def may_be_memory(error: Exception) -> bool:
    """Whether the words of a refusal leave open that it is for memory; those of a site may."""
    return bool(_MEMORY.search(str(error))) or not _OTHER_REASON.search(str(error))


def may_wait(remark: str) -> bool:
    """Whether `check_acceptance` found that no node can take such a job now, if ever."""
    return remark.startswith(_WOULD_WAIT)


def is_refusal(reason: str) -> bool:
    """Whether it is sure that SLURM decided against a job that sbatch gave it.

    Unknown words do not count: the job may have been accepted all the same.
    """
    return _is_answer(reason) and _has_any(_REFUSALS, reason)


def _is_answer(reason: str) -> bool:
    return reason.startswith(REFUSED) and not _has_any(_SILENCES, reason)


def _has_any(words: Sequence[str], reason: str) -> bool:
    said = reason.removeprefix(REFUSED).lower()
    return any(word in said for word in words)


def _unless_refused(error: SchedulerError) -> str:
    text = str(error)
    # Nothing was submitted: words of a site's own may be taken for a decision.
    if not _is_answer(text):
        raise error
    said = text.removeprefix(REFUSED)
    if _NOT_NOW in said:
        # It says so of nodes that are down or drained too; a job would be accepted, and wait.
        return f"{_WOULD_WAIT}; SLURM says: {said}"
    raise InputError(f"SLURM would not accept such a job: {said}")
