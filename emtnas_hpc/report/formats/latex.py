"""Tables as LaTeX, to be read into a document that loads booktabs and graphicx."""

import re
from collections.abc import Iterable, Iterator, Sequence

from emtnas_hpc.report.formats.cells import Shown, cells_of, origins, shown_columns
from emtnas_hpc.report.formats.parts import parts
from emtnas_hpc.report.table import Table

_HEADER = "% Needs \\usepackage{booktabs} and \\usepackage{graphicx}."
#: Characters, of which a page has so many across in a size that can be read.
_WIDTH = 136
#: A table that is too wide is scaled down to the line, another one stays as it is.
_SCALED = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
#: Of a number; else it would be a hyphen.
_MINUS = re.compile(r"^-(?=\d)")
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "*": r"$\ast$",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "…": r"\dots{}",
}


def as_latex(tables: Sequence[Table]) -> str:
    """All tables, each a float."""
    return "\n".join([_HEADER, *("\n".join(_float(table)) + "\n" for table in tables)])


def escape(text: str) -> str:
    """Text that means nothing but itself; where LaTeX has no glyph, a question mark."""
    return "".join(_ESCAPES.get(c, c if _has_glyph(c) else "?") for c in " ".join(text.split()))


def _has_glyph(character: str) -> bool:
    """ASCII, and the accented letters of Latin-1."""
    return character.isascii() or (character.isalpha() and ord(character) < 0x100)


def _float(table: Table) -> Iterator[str]:
    yield r"\begin{table*}"
    yield r"\centering\small"
    yield rf"\caption{{{escape(table.title)}}}"
    yield rf"\label{{tab:{table.key}}}"
    for number, part in enumerate(parts(table, _WIDTH)):
        if number:
            yield r"\par\medskip"
        yield from _tabular(part)
    if table.notes:
        yield r"\par\medskip"
        yield r"\begin{minipage}{\linewidth}\footnotesize"
        yield "\n\n".join(escape(note) for note in table.notes)
        yield r"\end{minipage}"
    yield r"\end{table*}"


def _tabular(table: Table) -> Iterator[str]:
    n_columns = len(list(shown_columns(table)))
    yield _SCALED
    yield rf"\begin{{tabular}}{{{'l' * len(table.labels)}{'r' * n_columns}}}"
    yield r"\toprule"
    yield from _headings(table)
    yield r"\midrule"
    for above, row in zip((None, *table.rows), table.rows, strict=False):
        if above is not None and above.ours != row.ours:
            yield r"\midrule"
        yield _line(map(_cell, cells_of(row, table)))
    yield r"\bottomrule"
    yield r"\end{tabular}}"


def _headings(table: Table) -> Iterator[str]:
    """A column's heading over whose numbers it has; the second line only where it says more."""
    first = [escape(label) for label in table.labels]
    second = [""] * len(table.labels)
    rules, at = [], len(first) + 1
    for index, column in enumerate(table.columns):
        below = origins(table, index)
        if len(below) == 1:
            first.append(escape(column.heading))
            second.append("")
        else:
            first.append(rf"\multicolumn{{{len(below)}}}{{c}}{{{escape(column.heading)}}}")
            second += below
            rules.append(rf"\cmidrule(lr){{{at}-{at + len(below) - 1}}}")
        at += len(below)
    yield _line(first)
    if rules:
        yield " ".join(rules)
        yield _line(second)


def _cell(cell: Shown) -> str:
    text = _MINUS.sub("$-$", escape(cell.text))
    if cell.bold:
        text = rf"\textbf{{{text}}}"
    stars = "$^{" + "*" * cell.stars + "}$" if cell.stars else ""
    # Small, because it is the same in most cells.
    n = "" if cell.n is None else rf"\,{{\scriptsize({cell.n})}}"
    return text + stars + n


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
