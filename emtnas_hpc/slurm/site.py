"""What SLURM says of the cluster: its partitions, nodes and settings."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from emtnas_hpc.slurm.slurm import (
    clean,
    instead_of,
    lines_of,
    none_of,
    number,
    parse_limit,
    run_command,
)

_GPU = re.compile(r"gpu:(?:([^:,()]+):)?(\d{1,6})(?![\w.])", re.ASCII)
#: What sinfo says of a node's CPUs or memory: a number, perhaps of the smallest such node, or none.
_COUNT = re.compile(r"\s*(?:-?\d[\d.,]*[+A-Z]*|[A-Z(][A-Za-z/()_]*|unknown|)\s*", re.ASCII)
_VALUE = re.compile(r"\d|N/A|\(null\)", re.ASCII)
#: What it says of resources that it does not know.
_UNKNOWN = ("N/A", "UNKNOWN", "INVALID")
_NO_PARTITIONS = "No partitions in the system"

T = TypeVar("T")


@dataclass(frozen=True)
class Partition:
    """A partition of the cluster.

    Attributes:
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
class ClusterSettings:
    """Settings of the whole cluster, as SLURM writes them."""

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


class AnswerRows(list[T]):
    """What the lines of an answer say, a row each.

    Attributes:
        notice: what was printed besides, in a line; empty if nothing.
    """

    def __init__(self, items: Iterable[T] = (), notice: str = "") -> None:
        super().__init__(items)
        self.notice = notice


def read_partitions() -> AnswerRows[Partition]:
    """All partitions that this user sees.

    Raises:
        SchedulerError: SLURM cannot be asked.
    """
    return parse_partitions(run_command("scontrol", "--oneliner", "show", "partition"))


def read_cluster_settings() -> ClusterSettings:
    """The settings of the cluster.

    Raises:
        SchedulerError: SLURM cannot be asked.
    """
    return parse_cluster_settings(run_command("scontrol", "show", "config"))


def read_nodes(partition: str) -> AnswerRows[ClusterNode]:
    """The kinds of nodes of a partition, or of several with commas between.

    Raises:
        SchedulerError: SLURM cannot be asked.
    """
    form = ("--exact", "--noheader", "--format", "%c|%m|%G")
    return parse_nodes(run_command("sinfo", "--partition", partition, *form))


def most_gpus(nodes: Sequence[ClusterNode]) -> Mapping[str, int]:
    """By type, empty where SLURM names none, the most that a node has."""
    most: dict[str, int] = {}
    for node in nodes:
        most |= {kind: max(n, most.get(kind, 0)) for kind, n in (node.gpus or {}).items()}
    return most


def parse_partitions(text: str) -> AnswerRows[Partition]:
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
    notice = _notice("scontrol", "partition", others, is_answer=bool(found))
    return AnswerRows(map(_partition, found), notice)


def parse_cluster_settings(text: str) -> ClusterSettings:
    """The settings of scontrol's lines, `Name = value`.

    Raises:
        SchedulerError: there are none.
    """
    lines = lines_of(text)
    pairs = [line.partition("=") for line in lines if "=" in line]
    if lines and not pairs:
        raise instead_of("scontrol", "SLURM's settings", lines)
    return ClusterSettings({name.strip(): clean(value) for name, _, value in pairs})


def parse_nodes(text: str) -> AnswerRows[ClusterNode]:
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
    return AnswerRows(nodes, _notice("sinfo", "node", others, is_answer=bool(nodes)))


def _notice(command: str, what: str, others: Sequence[str], *, is_answer: bool) -> str:
    """Lines that are none of what was asked for, in one; an error where there is nothing else."""
    if others and not is_answer:
        raise instead_of(command, f"{what}s", others)
    return none_of(command, f"a {what}'s", others) if others else ""


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
        is_default=values.get("Default") == "YES",
        limit_min=_limit(values.get("MaxTime", "")),
        state=values.get("State", "UP"),
        preempt_mode=values.get("PreemptMode", ""),
        grace_s=number(values.get("GraceTime", "")) or 0,
        cpus=number(values.get("MaxCPUsPerNode", "")) or None,
        memory_mb=number(values.get("MaxMemPerNode", "")) or None,
    )


def _limit(text: str) -> int | None:
    """Of N/A and the like as of UNLIMITED: sbatch is asked as well."""
    try:
        return parse_limit(text)
    except ValueError:
        return None
