"""Whether any node of a partition has what a job asks for, were it up and empty."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from emtnas_hpc.cluster.profile import Profile
from emtnas_hpc.cluster.profiles import SHIPPED_DEFAULT, Resolved
from emtnas_hpc.cluster.site import Node, most_gpus
from emtnas_hpc.errors import InputError

_LEAST_GB = 0.1


def check_room(wanted: Resolved, nodes: Sequence[Node]) -> None:
    """Refuses what no node can ever give; SLURM itself does not tell that from nodes that are down.

    Args:
        wanted: with a partition.
        nodes: of that partition.

    Raises:
        InputError: naming the value that is too large, and the largest that is there.
    """
    profile, name = wanted.profile, wanted.profile.partition
    if profile.gpus and not any(node.gpus is None for node in nodes):
        _check_gpus(wanted, nodes)
    if not nodes:
        return
    most_cpus = max(_cpus(node) for node in nodes)
    if profile.cpus > most_cpus:
        raise InputError(
            f"{_asked(wanted, 'cpus')}, but a node of {name} has {most_cpus:.0f} at most"
        )
    most_mb = max(_memory_mb(node) for node in nodes)
    if profile.memory_mb > most_mb:
        raise InputError(
            f"{_asked(wanted, 'memory_gb')}, but a node of {name} has {most_mb / 1024:.1f} at most"
        )
    if not any(_holds(node, profile) for node in nodes):
        raise InputError(
            f"no node of partition {name} has {profile.cpus} CPUs, {profile.memory_gb:g} GB and "
            f"{profile.gpus} GPUs together; ask for less of one of them"
        )


def lower_defaults(wanted: Resolved, nodes: Sequence[Node]) -> Resolved:
    """Lowers what nobody asked for to what a node has that can give all that was asked for.

    Where none can, they do not matter: `check_room` says what does.

    Args:
        wanted: with a partition.
        nodes: of that partition.
    """
    profile, name = wanted.profile, wanted.profile.partition
    free = [each for each in ("cpus", "memory_gb") if _is_default(wanted, each)]
    least: dict[str, float] = {"cpus": 1, "memory_gb": _LEAST_GB}
    asked = profile.model_copy(update={each: least[each] for each in free})
    able = [node for node in nodes if _holds(node, asked)]
    if not nodes or not free or any(_holds(node, profile) for node in nodes):
        return wanted
    if not able:
        return replace(wanted, profile=asked)
    largest = max(able, key=lambda node: _part(node, profile))
    has = {"cpus": _cpus(largest), "memory_gb": _memory_mb(largest) / 1024}
    for each in free:
        value = getattr(profile, each)
        if has[each] < value:
            tenths = math.floor(10 * has[each]) / 10
            lowered = int(has[each]) if each == "cpus" else max(_LEAST_GB, tenths)
            origin = f"of {value:g} ({SHIPPED_DEFAULT}): the largest node of partition {name}"
            wanted = wanted.with_value(each, lowered, origin)
            wanted = replace(wanted, filled=(*wanted.filled, each))
    return wanted


def _is_default(wanted: Resolved, field: str) -> bool:
    """Whether the shipped default holds, and asks for something."""
    # Named by --profile default, it is the shipped default.toml.
    is_default = wanted.origins.get(field, SHIPPED_DEFAULT).startswith(SHIPPED_DEFAULT)
    return is_default and bool(getattr(wanted.profile, field))


def _part(node: Node, profile: Profile) -> float:
    """How much a node has of the CPUs and of the memory that are asked for; at most 1."""
    memory = min(1.0, _memory_mb(node) / profile.memory_mb) if profile.memory_mb else 1.0
    return memory * min(1.0, _cpus(node) / profile.cpus)


def _holds(node: Node, profile: Profile) -> bool:
    has_gpus = node.gpus is None or _n_gpus(node.gpus, profile.gpu_type) >= profile.gpus
    return _cpus(node) >= profile.cpus and _memory_mb(node) >= profile.memory_mb and has_gpus


def _n_gpus(gpus: Mapping[str, int], kind: str) -> int:
    return gpus.get(kind, 0) if kind else sum(gpus.values())


def _cpus(node: Node) -> float:
    """Of a node of which nobody knows them, enough: sbatch is asked as well."""
    return math.inf if node.cpus is None else node.cpus


def _memory_mb(node: Node) -> float:
    return math.inf if node.memory_mb is None else node.memory_mb


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
    return max(_n_gpus(node.gpus or {}, "") for node in nodes)


def _asked(wanted: Resolved, field: str) -> str:
    value = getattr(wanted.profile, field)
    shown = repr(value) if isinstance(value, str) else f"{value:g}"
    return f"{field} is {shown} ({wanted.origins.get(field, SHIPPED_DEFAULT)})"
