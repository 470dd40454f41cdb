"""A table as text, one renderer a format; the screen's is in cli, the page's in page."""

from emtnas_hpc.report.formats.cells import Shown, cells_of, origins, shown, shown_columns
from emtnas_hpc.report.formats.csv import as_csv, searches_as_csv
from emtnas_hpc.report.formats.json import as_json, plain, table_values
from emtnas_hpc.report.formats.latex import as_latex
from emtnas_hpc.report.formats.markdown import as_markdown

__all__ = [
    "Shown",
    "as_csv",
    "as_json",
    "as_latex",
    "as_markdown",
    "cells_of",
    "origins",
    "plain",
    "searches_as_csv",
    "shown",
    "shown_columns",
    "table_values",
]
