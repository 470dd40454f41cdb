"""Tables 5 and 6: single against multi-tasking, re-evaluation, random mating probability."""

from collections.abc import Iterable

from emtnas_hpc.report.data_sets import heading
from emtnas_hpc.report.layouts.cifar import CIFAR
from emtnas_hpc.report.layouts.layout import (
    Layout,
    LayoutRow,
    accuracy,
    own_rows,
    paper_rows,
    parameters,
)
from emtnas_hpc.report.paper import paper_table
from emtnas_hpc.report.rows import RowSpec
from emtnas_hpc.report.table import Column

_ALGORITHMS = (
    ("Single-Tasking", False, False),
    ("Single-Tasking+Reeval", False, True),
    ("Multi-Tasking", True, False),
    ("Multi-Tasking+Reeval", True, True),
)
_COSTS = (
    Column("time_total", "Total time (%)", 1, signed=True),
    Column("time_training", "Training time (%)", 1, signed=True),
    Column("time_evaluation", "Evaluation time (%)", 1, signed=True),
    Column("time_search", "Search time (%)", 1, signed=True),
    Column("mean_parameters", "Mean params (M)", 2),
    Column("mean_macs", "Mean MACs (M)", 0),
)


def ablation(tasks: tuple[str, ...]) -> Layout:
    """Table 5 for two data sets."""
    columns: list[Column] = []
    for task in tasks:
        transfer = Column(f"{task}.transfer", f"{heading(task)} transfer (%)", 2, tested=True)
        columns += [accuracy(task, 2), parameters(task), transfer]
    if tasks == CIFAR:
        rows = paper_rows(paper_table(5))
    else:
        rows = own_rows(
            [
                ((str(index), name), RowSpec(tasks, joint=joint, reevaluate=reevaluate))
                for index, (name, joint, reevaluate) in enumerate(_ALGORITHMS, start=1)
            ]
        )
    return Layout(
        5,
        f"{_named(tasks)}: single and multi-tasking, with and without re-evaluation",
        paper_table(5).labels,
        (*columns, *_COSTS),
        rows,
        is_paper=tasks == CIFAR,
    )


def sweep(tasks: tuple[str, ...], probabilities: Iterable[float]) -> Layout:
    """Table 6 for two data sets and these random mating probabilities."""
    columns: list[Column] = []
    for task in tasks:
        name = heading(task)
        columns += [
            Column(f"{task}.validation", f"{name} supernet validation (%)", 2),
            accuracy(task, 2, f"{name} test"),
        ]
    printed = paper_rows(paper_table(6)) if tasks == CIFAR else ()
    specs = {row.spec: row for row in printed}
    for rmp in probabilities:
        spec = RowSpec(tasks, joint=True, reevaluate=True, rmp=rmp)
        specs.setdefault(spec, LayoutRow((f"{rmp:g}",), spec))
    rows = sorted(specs.values(), key=lambda row: float(row.labels[0]))
    return Layout(
        6,
        f"{_named(tasks)}: random mating probability",
        paper_table(6).labels,
        tuple(columns),
        tuple(rows),
        is_paper=tasks == CIFAR,
    )


def _named(tasks: tuple[str, ...]) -> str:
    return " and ".join(map(heading, tasks))
