"""Whether a run was carried on under conditions for which equal bits are promised."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from emtnas_hpc.runner.attempts import AttemptRecord

#: Equal bits are promised where all of these are equal.
CONDITIONS = ("device_model", "cpu_capability", "torch", "numpy", "threads")


def condition_changes(attempts: Iterable[AttemptRecord]) -> tuple[str, ...]:
    """What changed from one start that committed something to the next, each as `torch 2 -> 3`."""
    provenances = [attempt.provenance for attempt in attempts if _has_committed(attempt)]
    return tuple(change for pair in pairwise(provenances) for change in changes_between(*pair))


def changes_since(
    attempts: Iterable[AttemptRecord], provenance: Mapping[str, Any]
) -> tuple[str, ...]:
    """What is different now from the last start that committed something."""
    before = [attempt.provenance for attempt in attempts if _has_committed(attempt)]
    return changes_between(before[-1], provenance) if before else ()


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """The conditions that differ; what an older version did not record is not held against it."""
    return tuple(
        f"{name} {before[name]} -> {after[name]}"
        for name in CONDITIONS
        if name in before and name in after and before[name] != after[name]
    )


def _has_committed(attempt: AttemptRecord) -> bool:
    return any(event["event"] == "committed" for event in attempt.events)
