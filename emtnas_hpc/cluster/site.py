"""What SLURM says of its partitions and of itself; the parsing is pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from emtnas_hpc.cluster.minutes import parse_limit
from emtnas_hpc.cluster.scheduler import call

_GPU = re.compile(r"gpu:(?:([^:,()]+):)?(\d+)")


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
    """

    name: str
    is_default: bool = False
    limit_min: int | None = None
    state: str = "UP"
    preempt_mode: str = ""
    grace_s: int = 0


@dataclass(frozen=True)
class Node:
    """What a node has, whether it is up or not.

    Attributes:
        cpus: of it.
        memory_mb: of it.
        gpus: by type, empty where SLURM names none.
    """

    cpus: int
    memory_mb: int
    gpus: Mapping[str, int] = field(default_factory=dict)


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


def read_partitions() -> list[Partition]:
    """All partitions that this user sees.

    Raises:
        SchedulerError: SLURM cannot be asked.
    """
    return parse_partitions(call("scontrol", "--oneliner", "show", "partition"))


def read_site() -> Site:
    """The settings of the cluster.

    Raises:
        SchedulerError: SLURM cannot be asked.
    """
    return parse_site(call("scontrol", "show", "config"))


def read_nodes(partition: str) -> list[Node]:
    """The kinds of nodes of a partition, or of several with commas between.

    Raises:
        SchedulerError: SLURM cannot be asked.
    """
    form = ("--exact", "--noheader", "--format", "%c|%m|%G")
    return parse_nodes(call("sinfo", "--partition", partition, *form))


def read_gpu_types(partition: str) -> Mapping[str, int]:
    """The GPUs of a partition's nodes: by type (empty where SLURM names none) the most of a node.

    Raises:
        SchedulerError: SLURM cannot be asked.
    """
    return most_gpus(read_nodes(partition))


def most_gpus(nodes: Sequence[Node]) -> Mapping[str, int]:
    """By type the most that a node has."""
    most: dict[str, int] = {}
    for node in nodes:
        most |= {kind: max(n, most.get(kind, 0)) for kind, n in node.gpus.items()}
    return most


def parse_partitions(text: str) -> list[Partition]:
    """The partitions of scontrol's lines, one a line."""
    return [_partition(line) for line in text.splitlines() if line.startswith("PartitionName=")]


def parse_site(text: str) -> Site:
    """The settings of scontrol's lines, `Name = value`."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return Site({name.strip(): value.strip() for name, _, value in pairs})


def parse_nodes(text: str) -> list[Node]:
    """The nodes of sinfo's lines, such as `8|64000|gpu:rtx2080ti:2(S:0-1),tmp:10G`."""
    nodes = []
    for line in text.splitlines():
        cpus, memory, resources = line.split("|", 2)
        gpus: dict[str, int] = {}
        for name, count in _GPU.findall(resources):
            gpus[name] = gpus.get(name, 0) + int(count)
        nodes.append(Node(_least(cpus), _least(memory), gpus))
    return nodes


def _least(text: str) -> int:
    """Of `8+` as of `8`."""
    return int(text.strip().removesuffix("+"))


def _partition(line: str) -> Partition:
    values = dict(word.split("=", 1) for word in line.split() if "=" in word)
    grace = values.get("GraceTime", "0")
    return Partition(
        values["PartitionName"],
        values.get("Default") == "YES",
        parse_limit(values.get("MaxTime", "UNLIMITED")),
        values.get("State", "UP"),
        values.get("PreemptMode", ""),
        int(grace) if grace.isdigit() else 0,
    )
