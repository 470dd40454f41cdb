"""The nine candidate operations of an edge, by number and by name.

The paper names the families (section 4.1); the list itself is that of the authors' code.
None of them changes the number of channels or the resolution.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["separable", "dilated", "identity", "max_pool", "average_pool"]


@dataclass(frozen=True)
class Operation:
    """A candidate operation.

    Attributes:
        name: how files and screens call it.
        kind: the family.
        kernel: edge of the stored kernel in weights (0 where there is none).
    """

    name: str
    kind: Kind
    kernel: int = 0


OPERATIONS: tuple[Operation, ...] = (
    Operation("sep_3x3", "separable", 3),
    Operation("sep_5x5", "separable", 5),
    Operation("sep_7x7", "separable", 7),
    Operation("dil_1x1", "dilated", 1),
    Operation("dil_3x3", "dilated", 3),
    Operation("dil_5x5", "dilated", 5),
    Operation("identity", "identity"),
    Operation("max_3x3", "max_pool"),
    Operation("avg_3x3", "average_pool"),
)
N_OPERATIONS = len(OPERATIONS)
