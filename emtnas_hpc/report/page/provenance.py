"""Where numbers come from: versions, machines, when."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

#: What is said of a start, and how a page calls it.
_FACTS = (
    ("emtnas_hpc", "emtnas-hpc"),
    ("torch", "PyTorch"),
    ("numpy", "NumPy"),
    ("python", "Python"),
    ("device", "device"),
    ("device_model", "model"),
    ("cpu_capability", "CPU capability"),
    ("threads", "threads"),
    ("precision", "precision"),
    ("depthwise", "depthwise convolutions"),
    ("pointwise", "1x1 convolutions"),
    ("platform", "platform"),
)
_DATE = len("2026-11-24")


def provenance_rows(conditions: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Facts with their values; of several values, how many starts had each.

    Args:
        conditions: of each start that committed something, as its attempt tells them.
    """
    starts = list(conditions)
    rows = [(label, _values(starts, name)) for name, label in _FACTS]
    rows.append(("started", _days(starts)))
    return tuple((label, value) for label, value in rows if value)


def _values(starts: Sequence[Mapping[str, Any]], name: str) -> str:
    counts = Counter(str(start[name]) for start in starts if name in start)
    if len(counts) < 2:
        return "".join(counts)
    return "; ".join(f"{value} ({_starts(n)})" for value, n in sorted(counts.items()))


def _starts(n: int) -> str:
    return "1 start" if n == 1 else f"{n} starts"


def _days(starts: Sequence[Mapping[str, Any]]) -> str:
    days = sorted({str(start["time"])[:_DATE] for start in starts if "time" in start})
    return " to ".join(dict.fromkeys((*days[:1], *days[-1:])))
