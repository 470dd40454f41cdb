"""What a benchmark finds: rows of a table."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One number.

    Attributes:
        what: was measured.
        unit: of `wall` and `cpu`: "ms", "MB", or "x" for a ratio.
        wall: by the clock on the wall, or a size.
        cpu: of all threads together, where it makes sense.
        threads: CPU threads, where it matters.
        target: what it should be at most; of the CPU time on one thread, else of the wall clock.
    """

    what: str
    unit: str
    wall: float
    cpu: float | None = None
    threads: int | None = None
    target: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return (self.wall if self.cpu is None else self.cpu) <= self.target

    def as_json(self) -> dict[str, object]:
        """All fields, and whether the target is met."""
        return {**asdict(self), "is_met": self.is_met}


def as_table(rows: Iterable[Row], hardware: dict[str, str | int]) -> str:
    """The rows as text, under a line that says what they belong to."""
    lines = [", ".join(f"{name} {value}" for name, value in hardware.items()), ""]
    lines.append(f"{'':52} {'threads':>7} {'wall':>9} {'CPU':>9}     target")
    for row in rows:
        target = "" if row.target is None else f"<= {row.target:g}"
        verdict = {None: "", True: "met", False: "MISSED"}[row.is_met]
        cpu = "" if row.cpu is None else _number(row.cpu, row.unit)
        lines.append(
            f"{row.what:52} {row.threads or '':>7} {_number(row.wall, row.unit):>9} {cpu:>9}"
            f" {row.unit:3} {target:8} {verdict}".rstrip()
        )
    return "\n".join(lines)


def _number(value: float, unit: str) -> str:
    return f"{value:.3f}" if unit == "x" else f"{value:.1f}"
