"""The transfer ledger: what becomes of children that have a parent of another task."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emtnas_hpc.report.figures.trace import Integers, Trace


@dataclass(frozen=True)
class Ledger:
    """Children by the generation of their birth, the foreign parent's task and their own.

    Attributes:
        born: `(T, K, K)`; the diagonal counts those without a foreign parent.
        entered: those of them that survived their first selection, `(T, K, K)`.
    """

    born: Integers
    entered: Integers


def ledger_of(trace: Trace) -> Ledger:
    """Counts a search's children; the random individuals of generation 1 are none."""
    # Who is in no population did not survive its first selection: nobody returns.
    entered = np.zeros(len(trace.born), bool)
    entered[trace.population] = True
    children = trace.parents.max(axis=1) >= 0
    return Ledger(_counts(trace, children), _counts(trace, children & entered))


def foreign_tasks(trace: Trace) -> Integers:
    """Task of every individual's foreign parent; its own task where it has none, `(n,)`."""
    parents_tasks = np.where(trace.parents >= 0, trace.tasks[trace.parents], trace.tasks[:, None])
    first, second = parents_tasks.T
    foreign: Integers = np.where(first != trace.tasks, first, second)
    return foreign


def _counts(trace: Trace, chosen: npt.NDArray[np.bool_]) -> Integers:
    n_tasks = len(trace.header.tasks)
    counts = np.zeros((trace.generation, n_tasks, n_tasks), np.int64)
    where = (trace.born[chosen] - 1, foreign_tasks(trace)[chosen], trace.tasks[chosen])
    np.add.at(counts, where, 1)
    return counts
