"""A table with everything that a format has to cope with."""

from dataclasses import replace

from emtnas_hpc.report.stats import PermutationTest
from emtnas_hpc.report.table import Column, Row, Table, TableCell, quote

NASTY = 'a_b 50% #1 $x^2$ {z} ~ \\ & | < > "q" * ` [l] ± † é 猫'


def nasty_table() -> Table:
    """Two columns, of which one has printed values and one has none; names full of markup."""
    columns = (
        Column("task_1.accuracy", f"{NASTY} (%)", 2, tested=True),
        Column("time_total", "Time (%)", 1, signed=True),
    )
    found = replace(
        TableCell.of({0: 91.5, 2: 92.5}),
        quoted={"paper": quote("90.0+-1.5"), "rerun": quote("89.1")},
        test=PermutationTest(0.03, 6, exact=True),
        n_baseline=2,
        q=0.06,
        best=True,
    )
    printed = TableCell(quoted={"paper": quote("*")})
    rows = (
        Row("quoted: x", (NASTY, "1"), (printed, TableCell()), ours=False),
        Row("y", ("y", "2"), (found, TableCell.of({0: -0.04}))),
        Row("z", ("z", ""), (TableCell(missing="not run"), TableCell(missing="no baseline"))),
    )
    return Table("other", f"Title: {NASTY}", ("Name", "N"), columns, rows, (f"Note: {NASTY}",))
