"""Table 2: combinations of data sets against a search for each of them alone."""

from collections.abc import Iterable
from dataclasses import replace

from emtnas_hpc.report.layouts.layout import Layout, LayoutRow, accuracy, own_rows, paper_rows
from emtnas_hpc.report.paper import paper_table, rerun_table
from emtnas_hpc.report.rows import RowSpec
from emtnas_hpc.report.table import Column

#: In the order of the paper's columns.
PAPER_TASKS = ("pathmnist", "organamnist", "organcmnist", "organsmnist")

_LABELS = ("Index", "# Tasks", "Model")
_TIME = Column("time_total", "GPU days (%)", 1, signed=True)


def paper_combinations() -> Layout:
    """The paper's four data sets."""
    rows = tuple(map(_with_rerun, paper_rows(paper_table(2))))
    return _layout(PAPER_TASKS, "MedMNIST: test accuracy after retraining", rows, is_paper=True)


def combinations(tasks: tuple[str, ...], joint: Iterable[frozenset[str]]) -> Layout:
    """Other data sets, and those combinations of them that were searched for together."""
    alone = RowSpec(tasks, joint=False, reevaluate=False)
    together = [
        RowSpec(tuple(task for task in tasks if task in members), joint=True, reevaluate=True)
        for members in joint
    ]
    together.sort(key=lambda spec: (len(spec.tasks), [tasks.index(t) for t in spec.tasks]))
    rows = [
        (("", "1", "Single-Tasking (Baseline)"), alone),
        *(
            ((str(index), str(len(spec.tasks)), "EMT-NAS"), spec)
            for index, spec in enumerate(together, start=1)
        ),
    ]
    title = f"{', '.join(tasks)}: test accuracy after retraining"
    return _layout(tasks, title, own_rows(rows), is_paper=False)


def _layout(
    tasks: tuple[str, ...], title: str, rows: tuple[LayoutRow, ...], *, is_paper: bool
) -> Layout:
    columns = (*(accuracy(task, 1) for task in tasks), _TIME)
    return Layout(2, title, _LABELS, columns, rows, is_paper)


def _with_rerun(row: LayoutRow) -> LayoutRow:
    again = None if row.spec is None else rerun_table().find(row.spec)
    return row if again is None else replace(row, rerun=again.cells)
