"""Table 2: combinations of data sets against a search for each of them alone."""

from collections.abc import Iterable
from dataclasses import replace

from emtnas_hpc.report.columns import column
from emtnas_hpc.report.data_sets import heading
from emtnas_hpc.report.layouts.layout import Layout, LayoutRow, own_rows, paper_rows
from emtnas_hpc.report.paper import paper_table, rerun_table
from emtnas_hpc.report.rows import RowSpec

#: In the order of the paper's columns.
PAPER_TASKS = ("pathmnist", "organamnist", "organcmnist", "organsmnist")

_LABELS = ("Index", "# Tasks", "Model")


def paper_combinations() -> Layout:
    """The paper's four data sets."""
    columns = (
        *(column("accuracy", task, decimals=1) for task in PAPER_TASKS),
        column("time_total", heading="GPU days (%)"),
    )
    rows = tuple(map(_with_rerun, paper_rows(paper_table(2))))
    title = "MedMNIST: test accuracy after retraining"
    return Layout(2, title, _LABELS, columns, rows, is_paper=True)


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
    measures = (column(what, task) for task in tasks for what in ("accuracy", "auc"))
    title = f"{', '.join(map(heading, tasks))}: test accuracy after retraining"
    columns = (*measures, column("time_total"))
    return Layout(2, title, _LABELS, columns, own_rows(rows), is_paper=False)


def _with_rerun(row: LayoutRow) -> LayoutRow:
    again = None if row.spec is None else rerun_table().find(row.spec)
    return row if again is None else replace(row, rerun=again.cells)
