"""Whether a run was carried on under conditions for which equal bits are promised."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from emtnas_hpc.runner.attempts import AttemptRecord
from emtnas_hpc.store.paths import SEARCH

#: Equal bits are promised where all of these are equal.
CONDITIONS = (
    *("device_model", "cpu_capability", "torch", "numpy", "threads"),
    *("precision", "depthwise", "pointwise", "evaluation_chunks"),
)
#: What a start on CUDA had that does not say so: it is of a version that knew nothing else.
_CUDA_UNSAID = {
    "precision": "tf32 in convolutions only",
    "depthwise": "cudnn",
    "pointwise": "cudnn",
}


def committed(
    attempts: Iterable[AttemptRecord], stage: str | None = None
) -> tuple[AttemptRecord, ...]:
    """The starts that committed something of a stage; of any, where none is named."""
    return tuple(attempt for attempt in attempts if _has_committed(attempt, stage))


def condition_changes(attempts: Iterable[AttemptRecord], stage: str = SEARCH) -> tuple[str, ...]:
    """What changed from one start that carried a stage on to the next, each as `torch 2 -> 3`."""
    provenances = [attempt.provenance for attempt in committed(attempts, stage)]
    return tuple(change for pair in pairwise(provenances) for change in changes_between(*pair))


def changes_since(
    attempts: Iterable[AttemptRecord], provenance: Mapping[str, Any], stage: str = SEARCH
) -> tuple[str, ...]:
    """What is different now from the last start that committed something of a stage."""
    before = committed(attempts, stage)
    return changes_between(before[-1].provenance, provenance) if before else ()


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """The conditions that differ; what an older version did not record is not held against it."""
    before, after = (_with_unsaid(provenance) for provenance in (before, after))
    return tuple(
        f"{name} {before[name]} -> {after[name]}"
        for name in CONDITIONS
        if name in before and name in after and before[name] != after[name]
    )


def _with_unsaid(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    on_cuda = str(provenance.get("device", "")).startswith("cuda")
    return {**_CUDA_UNSAID, **provenance} if on_cuda else provenance


def _has_committed(attempt: AttemptRecord, stage: str | None) -> bool:
    stages = [event.get("stage") for event in attempt.events if event["event"] == "committed"]
    return bool(stages) if stage is None else stage in stages
