"""Tables 5 and 6: single against multi-tasking, re-evaluation, random mating probability."""

from collections.abc import Iterable

from emtnas_hpc.report.columns import column
from emtnas_hpc.report.data_sets import heading
from emtnas_hpc.report.layouts.cifar import CIFAR
from emtnas_hpc.report.layouts.layout import Layout, LayoutRow, own_rows, paper_rows
from emtnas_hpc.report.paper import paper_table
from emtnas_hpc.report.rows import RowSpec
from emtnas_hpc.report.table import Column

_ALGORITHMS = (
    ("Single-Tasking", False, False),
    ("Single-Tasking+Reeval", False, True),
    ("Multi-Tasking", True, False),
    ("Multi-Tasking+Reeval", True, True),
)
_MEASURES = ("accuracy", "parameters", "transfer")
_TIMES = ("time_total", "time_training", "time_evaluation", "time_search")
_COSTS = (*_TIMES, "mean_parameters", "mean_macs")


def ablation(tasks: tuple[str, ...], *, printed: bool = True) -> Layout:
    """Table 5 for two data sets, with the printed numbers if it is about theirs."""
    is_paper = printed and tasks == CIFAR
    columns = [column(what, task) for task in tasks for what in _MEASURES]
    if is_paper:
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
        (*columns, *map(column, _COSTS)),
        rows,
        is_paper,
    )


def sweep(
    tasks: tuple[str, ...], probabilities: Iterable[float], *, printed: bool = True
) -> Layout:
    """Table 6 for two data sets and these random mating probabilities, likewise."""
    is_paper = printed and tasks == CIFAR
    columns: list[Column] = []
    for task in tasks:
        columns += [
            column("validation", task),
            column("accuracy", task, name=f"{heading(task)} test"),
        ]
    theirs = paper_rows(paper_table(6)) if is_paper else ()
    specs = {row.spec: row for row in theirs}
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
        is_paper,
    )


def _named(tasks: tuple[str, ...]) -> str:
    return " and ".join(map(heading, tasks))
