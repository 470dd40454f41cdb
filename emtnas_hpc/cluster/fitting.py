"""Fits a profile to the partition that it names: what was left open is filled in."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import replace

from emtnas_hpc.cluster.minutes import format_limit
from emtnas_hpc.cluster.profiles import SHIPPED_DEFAULT, Resolved
from emtnas_hpc.cluster.room import check_room, lower_defaults
from emtnas_hpc.cluster.site import Node, Partition
from emtnas_hpc.errors import InputError

#: What a job takes where nobody said how long; a queue likes short jobs, and a search is resumed.
LONGEST_UNASKED_MIN = 24 * 60

#: Of a short limit the lead time may take no more than this part, unless somebody said so.
_LEAD_PART = 4


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


def fit(
    wanted: Resolved,
    partitions: Sequence[Partition],
    nodes_of: Callable[[str], Sequence[Node]],
) -> Resolved:
    """The profile with partition, time limit and lead time as the site has them.

    Args:
        wanted: as far as it was said.
        partitions: of the cluster.
        nodes_of: asks for the nodes of a partition.

    Raises:
        InputError: the partition does not exist, or cannot give what is asked for.
    """
    if not wanted.profile.partition:
        name = default_partition(partitions)
        wanted = wanted.with_value("partition", name, "SLURM's default partition")
    allowed = _find(wanted, partitions)
    nodes = _within_limits(nodes_of(wanted.profile.partition), allowed)
    wanted = lower_defaults(wanted, nodes)
    check_room(wanted, nodes)
    return _fit_lead(_fit_time(wanted, allowed))


def _within_limits(nodes: Sequence[Node], allowed: Sequence[Partition]) -> list[Node]:
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
    origin = wanted.origins.get("lead_time_s", SHIPPED_DEFAULT)
    if origin == SHIPPED_DEFAULT and lead_s > limit_s // _LEAD_PART:
        part = limit_s // _LEAD_PART
        return wanted.with_value("lead_time_s", part, "a quarter of the time limit")
    if lead_s >= limit_s:
        raise InputError(
            f"lead_time_s is {lead_s} ({origin}), but the time limit is {limit_s} s; "
            "a job would be told to stop when it begins"
        )
    return wanted


def _names(partitions: Sequence[Partition]) -> str:
    return ", ".join(partition.name for partition in partitions) or "none that you may use"
