"""A profile fitted to the partition that it names, and checked against its nodes."""

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from emtnas_hpc.errors import InputError
from emtnas_hpc.slurm.profile import (
    LEAD_PART,
    SHIPPED_DEFAULT,
    Layer,
    Profile,
    Resolved,
    default_layer,
    layer_of_partition,
    named_layer,
    stack,
    typed_layers,
)
from emtnas_hpc.slurm.site import ClusterNode, Partition, most_gpus, read_nodes, read_partitions
from emtnas_hpc.slurm.slurm import format_limit

_LEAST_GB = 0.1


def check_capacity(wanted: Resolved, nodes: Sequence[ClusterNode]) -> None:
    """Refuses what no node of its partition can ever give.

    SLURM itself does not tell that from nodes that are down.

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


def lower_defaults(wanted: Resolved, nodes: Sequence[ClusterNode]) -> Resolved:
    """Lowers what the user did not ask for to what a node has that can give all that was asked for.

    Where no node of the partition can, they do not matter: `check_capacity` says what does.
    """
    profile, name = wanted.profile, wanted.profile.partition
    free = [each for each in ("cpus", "memory_gb") if wanted.is_default(each)]
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
    return wanted


def _part(node: ClusterNode, profile: Profile) -> float:
    """How much a node has of the CPUs and of the memory that are asked for; at most 1."""
    memory = min(1.0, _memory_mb(node) / profile.memory_mb) if profile.memory_mb else 1.0
    return memory * min(1.0, _cpus(node) / profile.cpus)


def _holds(node: ClusterNode, profile: Profile) -> bool:
    has_gpus = node.gpus is None or _n_gpus(node.gpus, profile.gpu_type) >= profile.gpus
    return _cpus(node) >= profile.cpus and _memory_mb(node) >= profile.memory_mb and has_gpus


def _n_gpus(gpus: Mapping[str, int], kind: str) -> int:
    return gpus.get(kind, 0) if kind else sum(gpus.values())


def _cpus(node: ClusterNode) -> float:
    """A node that does not tell has enough: sbatch is asked as well."""
    return math.inf if node.cpus is None else node.cpus


def _memory_mb(node: ClusterNode) -> float:
    return math.inf if node.memory_mb is None else node.memory_mb


def _check_gpus(wanted: Resolved, nodes: Sequence[ClusterNode]) -> None:
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
    most = max(_n_gpus(node.gpus or {}, profile.gpu_type) for node in nodes)
    if profile.gpus > most:
        raise InputError(f"{_asked(wanted, 'gpus')}, but partition {name} has {types}")


def _asked(wanted: Resolved, field: str) -> str:
    value = getattr(wanted.profile, field)
    shown = repr(value) if isinstance(value, str) else f"{value:g}"
    return f"{field} is {shown} ({wanted.origins.get(field, SHIPPED_DEFAULT)})"


#: The limit of a job where the user gave none; a queue likes short jobs, and a search is resumed.
LONGEST_UNASKED_MIN = 24 * 60


def default_partition(partitions: Sequence[Partition]) -> str:
    """Where jobs go that name no partition.

    Raises:
        InputError: the cluster has no default.
    """
    for partition in partitions:
        if partition.is_default:
            return partition.name
    raise InputError(
        f"this cluster has no default partition; say --partition, one of {_names(partitions)}"
    )


def fit_to_partition(
    wanted: Resolved,
    partitions: Sequence[Partition],
    nodes_of: Callable[[str], Sequence[ClusterNode]],
) -> Resolved:
    """The profile with partition, time limit and lead time as the site has them.

    `nodes_of` asks for the nodes of a partition.

    Raises:
        InputError: the partition does not exist, or cannot give what is asked for.
    """
    if not wanted.profile.partition:
        name = default_partition(partitions)
        wanted = wanted.with_value("partition", name, "SLURM's default partition")
    allowed = _find(wanted, partitions)
    nodes = _within_limits(nodes_of(wanted.profile.partition), allowed)
    wanted = lower_defaults(wanted, nodes)
    check_capacity(wanted, nodes)
    return _fit_lead(_fit_time(wanted, allowed))


def _within_limits(nodes: Sequence[ClusterNode], allowed: Sequence[Partition]) -> list[ClusterNode]:
    """The nodes with what jobs of these partitions may have of them."""
    cpus = _largest([partition.cpus for partition in allowed])
    memory_mb = _largest([partition.memory_mb for partition in allowed])
    return [
        replace(node, cpus=_least(node.cpus, cpus), memory_mb=_least(node.memory_mb, memory_mb))
        for node in nodes
    ]


def _largest(limits: Sequence[int | None]) -> int | None:
    """Of several partitions one that has no limit will do."""
    known = [limit for limit in limits if limit is not None]
    return max(known) if known and len(known) == len(limits) else None


def _least(*numbers: int | None) -> int | None:
    return min((number for number in numbers if number is not None), default=None)


def _find(wanted: Resolved, partitions: Sequence[Partition]) -> list[Partition]:
    known = {partition.name: partition for partition in partitions}
    found = []
    for name in wanted.profile.partition.split(","):
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            origin = wanted.origins["partition"]
            raise InputError(
                f"no partition {name!r} ({origin}) on this cluster; {hint}"
                f"there are: {_names(partitions)}"
            )
        found.append(known[name])
    return found


def _fit_time(wanted: Resolved, allowed: Sequence[Partition]) -> Resolved:
    limits = [partition.limit_min for partition in allowed if partition.limit_min is not None]
    limit = min(limits, default=None)
    asked, name = wanted.profile.time, wanted.profile.partition
    if not asked:
        if limit is not None and limit <= LONGEST_UNASKED_MIN:
            return wanted.with_value("time", limit, f"the limit of partition {name}")
        origin = f"{SHIPPED_DEFAULT}; partition {name} allows more"
        return wanted.with_value("time", LONGEST_UNASKED_MIN, origin)
    if limit is not None and asked > limit:
        raise InputError(
            f"time is {format_limit(asked)} ({wanted.origins['time']}), but partition {name} "
            f"allows {format_limit(limit)} at most"
        )
    return wanted


def _fit_lead(wanted: Resolved) -> Resolved:
    lead_s, limit_s = wanted.profile.lead_time_s, 60 * wanted.profile.time
    if wanted.is_default("lead_time_s") and lead_s > limit_s // LEAD_PART:
        part = limit_s // LEAD_PART
        return wanted.with_value("lead_time_s", part, "a quarter of the time limit")
    if lead_s >= limit_s:
        raise InputError(
            f"{_asked(wanted, 'lead_time_s')}, but the time limit is {limit_s} s; "
            "a job would be told to stop when it begins"
        )
    return wanted


def _names(partitions: Sequence[Partition]) -> str:
    return ", ".join(partition.name for partition in partitions) or "none that you may use"


AS_LAUNCHED = "as launched"

#: What `fit_to_partition` fills in where it is empty, and what it may lower where nobody said it.
_FILLED, _LOWERED = ("partition", "time"), ("lead_time_s", "cpus", "memory_gb")


@dataclass(frozen=True)
class JobOptions:
    """What was typed about the jobs; anything may be left out.

    Attributes:
        profile: name or file of a profile.
        partition: of SLURM, or several with commas between.
        time: limit of a job, as SLURM writes it.
        sbatch: other options of sbatch, NAME=VALUE or NAME.
    """

    profile: str = ""
    partition: str = ""
    time: str = ""
    gpus: int | None = None
    sbatch: tuple[str, ...] = ()


def resolve(
    options: JobOptions, launched_profile: Profile | None = None, filled: Sequence[str] = ()
) -> Resolved:
    """The profile that holds, with the origin of each value.

    Args:
        options: what was typed.
        launched_profile: what the run's jobs have asked for so far, if it has been launched.
        filled: values of it that were not asked for; they are found anew.

    Raises:
        InputError: a value is unknown, cannot be used, or the site does not have it.
        SchedulerError: SLURM cannot be asked.
    """
    typed = typed_layers(options.partition, options.time, options.gpus, options.sbatch)
    named = named_layer(options.profile) if options.profile else None
    stack([default_layer(), *([named] if named else []), *typed])
    partitions = read_partitions()
    notices = [partitions.notice]

    def nodes_of(partition: str) -> Sequence[ClusterNode]:
        nodes = read_nodes(partition)
        notices.append(nodes.notice)
        return nodes

    if named:
        site = [named]
    elif launched_profile:
        site = [Layer(launched_profile.model_dump(exclude=set(filled)), AS_LAUNCHED)]
    else:
        site = _of_partition(typed, partitions)
    wanted = stack([default_layer(), *site, *typed])
    left_open = (name for name in (*_FILLED, *_LOWERED) if _is_open(wanted, name))
    source = "".join(layer.origin for layer in site)
    wanted = replace(wanted, filled=tuple(left_open), source=source)
    fitted = fit_to_partition(wanted, partitions, nodes_of)
    return replace(fitted, remarks=(*fitted.remarks, *filter(None, notices)))


def _is_open(wanted: Resolved, name: str) -> bool:
    is_empty = name in _FILLED and not getattr(wanted.profile, name)
    return is_empty or wanted.is_default(name)


def _of_partition(typed: Sequence[Layer], partitions: Sequence[Partition]) -> list[Layer]:
    named = [str(layer.values["partition"]) for layer in typed if "partition" in layer.values]
    layer = layer_of_partition(named[-1] if named else default_partition(partitions))
    return [layer] if layer else []
