"""`report`: the paper's tables from runs, and how their searches went."""

import math
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from emtnas_hpc.checkpoint.atomic import write_file
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.cli.console import make_table, open_screen
from emtnas_hpc.cli.options import JsonOption, RunsArgument, RunsOption, typed_path
from emtnas_hpc.cli.runs import find_runs
from emtnas_hpc.errors import EmtnasError, InputError
from emtnas_hpc.report.contrasts import contrast_of
from emtnas_hpc.report.experiments import ExperimentRuns, experiments_of
from emtnas_hpc.report.load import Run, read_runs
from emtnas_hpc.report.render import (
    as_csv,
    as_json,
    as_latex,
    as_markdown,
    column_width,
    label_width,
    lines_as_csv,
    parts,
    table_values,
)
from emtnas_hpc.report.searches import (
    CSV_COLUMNS,
    search_lines,
    search_notes,
    search_table,
    search_values,
)
from emtnas_hpc.report.specs import NUMBERS
from emtnas_hpc.report.table import Row, Table
from emtnas_hpc.report.tables import build_tables


class ReportFormat(StrEnum):
    """What a report may be made as."""

    SCREEN = "screen"
    MARKDOWN = "markdown"
    LATEX = "latex"
    CSV = "csv"
    JSON = "json"
    HTML = "html"


_REPORT, _SEARCHES = "report", "searches.csv"
_ADVICE = "choose another --output"
_SUFFIXES = {
    ReportFormat.MARKDOWN: "md",
    ReportFormat.LATEX: "tex",
    ReportFormat.CSV: "csv",
    ReportFormat.JSON: "json",
}
_FILES = (*_SUFFIXES, ReportFormat.HTML)
#: These say what every seed found, however far it is.
_SEED_BY_SEED = (ReportFormat.CSV, ReportFormat.JSON)


def report(
    run: RunsArgument = [],  # noqa: B006 - typer copies it
    runs: RunsOption = Path("runs"),
    table: Annotated[
        list[int],
        typer.Option(help="Only this table of the paper, 2 to 6, empty or not. Repeatable."),
    ] = [],  # noqa: B006 - typer copies it
    format_: Annotated[
        list[str], typer.Option("--format", help="screen, markdown, latex, csv, json or html.")
    ] = [],  # noqa: B006
    output: Annotated[
        Path | None,
        typer.Option(
            help="A folder for files: those of --format, or of all formats.", callback=typed_path
        ),
    ] = None,
    contrast: Annotated[
        tuple[str, str] | None,
        typer.Option(
            help="Only the first of two experiments minus the second: names, or parts of them.",
            metavar="A B",
        ),
    ] = None,
    difference: Annotated[
        float | None,
        typer.Option(
            help="In points, worth showing by contrasts; default: the paper's own.",
            metavar="POINTS",
        ),
    ] = None,
    json_: JsonOption = False,
) -> None:
    """The paper's tables with your runs in them, also while searches run.

    Test accuracies are those of retrained networks. A search by itself says how it went on
    validation images, with a supernet's weights: that ranks nothing. CSV is of retrained networks
    or, where there is none, of searches, seed by seed; --output writes both. A run that may not be
    read is named on stderr and left out.

    Below the tables the paper's claims are answered by contrasts: differences of means over seeds,
    with intervals, tests, and the seeds that it takes to show a difference (docs/api.md).

    A training that diverged is no result: a loss or, in the end, a weight is no finite number. Its
    seed is in no mean and no test of its row, and is counted below the table. So is a network that
    a search found whose own loss diverged, and so are the times of that search.
    """
    chosen = _chosen_format(format_, as_json=json_)
    for number in table:
        if number not in NUMBERS:
            raise InputError(f"--table is {number}, expected one of {_listed(NUMBERS)}")
    if output is not None and chosen is ReportFormat.SCREEN:
        raise InputError(
            f"--output takes files, --format screen is none; expected {_listed(_FILES)}"
        )
    if difference is not None and not (math.isfinite(difference) and difference):
        raise InputError(
            f"--difference is {difference:g}, expected a finite number of points, not 0"
        )
    if contrast is not None and table:
        raise InputError("--contrast and --table are given; each is a report of its own")
    writes_all = output is not None and chosen is None
    every_seed = writes_all or chosen in _SEED_BY_SEED
    made = Report(
        find_runs(run, runs), table, every_seed=every_seed, stated=difference, contrast=contrast
    )
    if output is not None:
        for path in _written(made, chosen, output):
            print(path)
    elif chosen is ReportFormat.CSV:
        print(_one_csv(made), end="")
    else:
        _print(made, chosen or ReportFormat.SCREEN)


def print_report(directories: Sequence[Path], *, as_json: bool) -> None:
    """Prints the report of these run directories on stdout, and what could not be read on stderr.

    Raises:
        EmtnasError: none of them has a readable commit.
    """
    chosen = ReportFormat.JSON if as_json else ReportFormat.SCREEN
    _print(Report(directories, every_seed=as_json), chosen)


class Report:
    """What there is to report; what could not be read is said on stderr.

    Attributes:
        found: the runs; of a contrast, those of its two experiments.
        tables: of what was retrained.
        experiments: whose searches are told of; none where certain tables or a contrast are asked
            for.

    Raises:
        EmtnasError: nothing can be read.
        InputError: a name of the contrast is not that of one experiment, or there is nothing to
            compare.
    """

    def __init__(
        self,
        directories: Sequence[Path],
        numbers: Sequence[int] = (),
        *,
        every_seed: bool,
        stated: float | None = None,
        contrast: tuple[str, str] | None = None,
    ) -> None:
        self.found = read_runs(directories, every_seed=every_seed)
        for problem in self.found.problems:
            print(f"skipped {problem}", file=sys.stderr)
        if not self.found.runs:
            raise EmtnasError(f"no commit that can be read in {', '.join(map(str, directories))}")
        self.experiments = experiments_of(self.found.runs)
        if contrast is None:
            self.tables = build_tables(self.found.runs, numbers or None, stated=stated)
        else:
            first, second = _two_called(contrast, self.experiments)
            self.found = replace(self.found, runs=(*first.runs, *second.runs))
            self.tables = contrast_of(self.found.runs, first, second, stated)
            if not self.tables:
                raise InputError(
                    f"{first.title} and {second.title} have no retrained networks of one data set, "
                    "recipe and number of normal cells N"
                )
        if numbers or contrast is not None:
            self.experiments = ()

    def text(self, chosen: ReportFormat) -> str:
        """The report in one of the formats that are files."""
        if chosen is ReportFormat.CSV:
            return as_csv(self.tables)
        if chosen is ReportFormat.HTML:
            # Matplotlib takes a second to import, and only this needs it.
            from emtnas_hpc.report.page import make_page

            return make_page(self.found, self.tables, self.experiments)
        if chosen is ReportFormat.JSON:
            return as_json(self._values())
        as_text = as_markdown if chosen is ReportFormat.MARKDOWN else as_latex
        return as_text((*self.tables, *map(search_table, self.experiments)))

    def searches_csv(self) -> str:
        """What searches found, seed by seed."""
        return lines_as_csv(search_lines(self.found.runs), CSV_COLUMNS)

    def _values(self) -> dict[str, Any]:
        runs = self.found.runs
        searched = runs if self.experiments else ()
        return {
            "tables": list(map(table_values, self.tables)),
            "experiments": list(map(search_values, self.experiments)),
            "seeds": [run.search.values() for run in searched if run.search is not None],
            "retrainings": [values for run in runs for values in _retraining_values(run)],
            "problems": self.found.problems,
        }


def _two_called(
    names: tuple[str, str], experiments: Sequence[ExperimentRuns]
) -> tuple[ExperimentRuns, ExperimentRuns]:
    first, second = (_called(name, experiments) for name in names)
    if first is second:
        raise InputError(f"--contrast is {first.title} twice, expected two experiments")
    return first, second


def _called(name: str, experiments: Sequence[ExperimentRuns]) -> ExperimentRuns:
    """The experiment of this title; else the only one with this in its title."""
    found = [each for each in experiments if name == each.title]
    found = found or [each for each in experiments if name in each.title]
    if len(found) == 1:
        return found[0]
    what = f"in the names of {len(found)} experiments" if found else "in no experiment's name"
    there = ", ".join(each.title for each in found or experiments)
    raise InputError(f"--contrast is {name!r}, which is {what}; there are: {there}")


def _retraining_values(run: Run) -> Iterator[dict[str, Any]]:
    """All of every retraining but its curve."""
    for retraining in run.retrainings:
        values = asdict(replace(retraining, test=retraining.result, part=None, epochs=()))
        del values["epochs"], values["part"]
        yield {
            "directory": run.directory,
            "epoch": len(retraining.epochs),
            **values,
            "diverged": retraining.diverged or None,
            "counts": run.is_result(retraining),
        }


def _chosen_format(names: Sequence[str], *, as_json: bool) -> ReportFormat | None:
    """The format that `--format` and `--json` ask for together; None where they say nothing."""
    if len(set(names)) > 1:
        raise InputError(
            f"--format is given {len(names)} times ({', '.join(names)}); give one of them, or "
            "--output alone, which writes all"
        )
    name = names[0] if names else ""
    if name not in ("", *ReportFormat):
        raise InputError(f"--format is {name!r}, expected one of {_listed(ReportFormat)}")
    if as_json and name not in ("", ReportFormat.JSON):
        raise InputError(f"--json and --format {name} contradict each other; give one of them")
    return ReportFormat.JSON if as_json else ReportFormat(name) if name else None


def _one_csv(made: Report) -> str:
    """One table fits: of retrained networks, or of searches where no network has been retrained."""
    retrained = any(r.finished for run in made.found.runs for r in run.retrainings)
    if retrained or not made.experiments:
        text = made.text(ReportFormat.CSV)
        left_out = f"how the searches went ({_SEARCHES})" if made.experiments else ""
    else:
        text = made.searches_csv()
        left_out = f"the paper's tables ({_REPORT}.csv)" if made.tables else ""
    if left_out:
        print(f"left out: {left_out}; --output writes both", file=sys.stderr)
    return text


def _written(made: Report, chosen: ReportFormat | None, directory: Path) -> Iterator[Path]:
    """Writes one format, or all; the page comes with its figures."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--output is {str(directory)!r}, which cannot be used ({error.strerror}); expected a "
            "directory, there or still to be made"
        ) from None
    for text_format, suffix in _SUFFIXES.items():
        if chosen in (None, text_format):
            yield _write(directory / f"{_REPORT}.{suffix}", made.text(text_format))
            if text_format is ReportFormat.CSV and made.experiments:
                yield _write(directory / _SEARCHES, made.searches_csv())
    if chosen in (None, ReportFormat.HTML):
        from emtnas_hpc.report.page import make_files

        for name, text in make_files(made.found, made.tables, made.experiments).items():
            yield _write(directory / name, text)


def _write(path: Path, text: str) -> Path:
    with storage_errors(path.parent, advice=_ADVICE):
        path.parent.mkdir(exist_ok=True)
    # A name of a folder may hold bytes that are no text.
    write_file(path, text.encode(errors="replace"), uuid.uuid4().hex, _ADVICE)
    return path


def _listed(options: Iterable[object]) -> str:
    return ", ".join(map(str, options))


def _print(made: Report, chosen: ReportFormat) -> None:
    if chosen is not ReportFormat.SCREEN:
        print(made.text(chosen), end="")
        return
    screen = open_screen()
    for table in made.tables:
        _print_table(screen, table)
        for note in table.notes:
            screen.print(note, markup=False)
        screen.print()
    for experiment in made.experiments:
        table = search_table(experiment, narrow=True)
        _print_searches(screen, table)
    for note in search_notes(made.experiments, narrow=True) if made.experiments else ():
        screen.print(note, markup=False)


def _print_table(screen: Console, table: Table) -> None:
    """A table of the paper: ours, and below it what was printed; in parts if it is wide."""
    screen.print(table.title, markup=False, style="bold")
    for part in parts(table, screen.width, stacked=True):
        grid = make_table()
        for index, name in enumerate(part.labels):
            grid.add_column(name, min_width=label_width(part, index))
        for index, column in enumerate(part.columns):
            width = column_width(part, index)
            grid.add_column(column.heading, justify="right", min_width=width)
        for row in part.rows:
            cells = (_cell(part, row, index) for index in range(len(part.columns)))
            grid.add_row(*map(Text, row.labels), *cells)
        screen.print(grid)
        screen.print()


def _cell(table: Table, row: Row, index: int) -> Text:
    lines = [Text(line, style="dim") for line in table.lines(row, index)]
    cell = row.cells[index]
    if row.ours and cell.estimate is not None:
        lines[0].style = "bold" if cell.best else ""
    return Text("\n").join(lines)


def _print_searches(screen: Console, table: Table) -> None:
    """The title says n. The one space of a value is where a narrow table may break it."""
    screen.print(table.title, markup=False, style="bold")
    grid = make_table()
    for name in table.labels:
        grid.add_column(name)
    for column in table.columns:
        grid.add_column(column.heading, justify="right")
    for row in table.rows:
        cells = zip(table.columns, row.cells, strict=True)
        grid.add_row(
            *row.labels,
            *(column.text(cell) if cell.estimate else column.full(cell) for column, cell in cells),
        )
    screen.print(grid)
    for note in table.diverged_notes():
        screen.print(note, markup=False)
    screen.print()
