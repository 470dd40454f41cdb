"""Whether any node of a partition has what a job asks for, were it up and empty."""

from collections.abc import Sequence

from emtnas_hpc.cluster.profiles import SHIPPED_DEFAULT, Resolved
from emtnas_hpc.cluster.site import Node, most_gpus
from emtnas_hpc.errors import InputError


def check_room(wanted: Resolved, nodes: Sequence[Node]) -> None:
    """Refuses what no node can ever give; SLURM itself does not tell that from nodes that are down.

    Args:
        wanted: with a partition.
        nodes: of that partition.

    Raises:
        InputError: naming the value that is too large, and the largest that is there.
    """
    profile, name = wanted.profile, wanted.profile.partition
    if profile.gpus:
        _check_gpus(wanted, nodes)
    if not nodes:
        return
    most_cpus = max(node.cpus for node in nodes)
    if profile.cpus > most_cpus:
        raise InputError(f"{_asked(wanted, 'cpus')}, but a node of {name} has {most_cpus} at most")
    most_mb = max(node.memory_mb for node in nodes)
    if profile.memory_mb > most_mb:
        raise InputError(
            f"{_asked(wanted, 'memory_gb')}, but a node of {name} has {most_mb / 1024:.1f} at most"
        )
    if not any(_holds(node, wanted) for node in nodes):
        raise InputError(
            f"no node of partition {name} has {profile.cpus} CPUs, {profile.memory_gb:g} GB and "
            f"{profile.gpus} GPUs together; ask for less of one of them"
        )


def _holds(node: Node, wanted: Resolved) -> bool:
    profile = wanted.profile
    gpus = node.gpus.get(profile.gpu_type, 0) if profile.gpu_type else sum(node.gpus.values())
    return (
        node.cpus >= profile.cpus and node.memory_mb >= profile.memory_mb and gpus >= profile.gpus
    )


def _check_gpus(wanted: Resolved, nodes: Sequence[Node]) -> None:
    profile, name = wanted.profile, wanted.profile.partition
    there = most_gpus(nodes)
    if not there:
        raise InputError(
            f"{_asked(wanted, 'gpus')}, but partition {name} has none that SLURM knows of; "
            "choose another partition, or --gpus 0"
        )
    types = ", ".join(f"{kind or 'GPU'} ({most} a node)" for kind, most in there.items())
    if profile.gpu_type and profile.gpu_type not in there:
        raise InputError(f"{_asked(wanted, 'gpu_type')}, but partition {name} has {types}")
    most = there[profile.gpu_type] if profile.gpu_type else _most(nodes)
    if profile.gpus > most:
        raise InputError(f"{_asked(wanted, 'gpus')}, but partition {name} has {types}")


def _most(nodes: Sequence[Node]) -> int:
    return max(sum(node.gpus.values()) for node in nodes)


def _asked(wanted: Resolved, field: str) -> str:
    value = getattr(wanted.profile, field)
    shown = repr(value) if isinstance(value, str) else f"{value:g}"
    return f"{field} is {shown} ({wanted.origins.get(field, SHIPPED_DEFAULT)})"
