"""`report`: the paper's tables from runs, and how their searches went."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.cli.console import open_screen
from emtnas_hpc.cli.options import JsonOption, RunsArgument, RunsOption, typed_path
from emtnas_hpc.cli.report_view import print_searches, print_tables
from emtnas_hpc.errors import EmtnasError, InputError
from emtnas_hpc.report.load import Run, Runs, read_runs
from emtnas_hpc.report.paper import NUMBERS
from emtnas_hpc.report.render import (
    as_csv,
    as_json,
    as_latex,
    as_markdown,
    searches_as_csv,
    table_values,
)
from emtnas_hpc.report.table import Table
from emtnas_hpc.report.tables import build_tables, search_tables, summarise
from emtnas_hpc.retraining.record import Retraining


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
    json_: JsonOption = False,
) -> None:
    """The paper's tables with your runs in them, also while searches run.

    Test accuracies are those of retrained networks. A search by itself says how it went on
    validation images, with a supernet's weights: that ranks nothing. CSV is of retrained networks
    or, where there is none, of searches, seed by seed; --output writes both. A run that may not be
    read is named on stderr and left out.

    A training that diverged is no result: a loss or, in the end, a weight is no finite number. Its
    seed is in no mean and no test of its row, and is counted below the table. So is a network that
    a search found whose own loss diverged, and so are the times of that search.
    """
    from emtnas_hpc.cli.runs import find_runs

    chosen = choose_format(format_, as_json=json_)
    make_report(ReportRequest(find_runs(run, runs), tuple(table), chosen, output))


_ADVICE = "choose another --output"
_REPORT, _SEARCHES = "report", "searches.csv"


class ReportFormat(StrEnum):
    """What a report may be made as."""

    SCREEN = "screen"
    MARKDOWN = "markdown"
    LATEX = "latex"
    CSV = "csv"
    JSON = "json"
    HTML = "html"


_SUFFIXES = {
    ReportFormat.MARKDOWN: "md",
    ReportFormat.LATEX: "tex",
    ReportFormat.CSV: "csv",
    ReportFormat.JSON: "json",
}
_FILES = (*_SUFFIXES, ReportFormat.HTML)


@dataclass(frozen=True)
class ReportRequest:
    """What to report, and how.

    Attributes:
        directories: run directories.
        numbers: of the paper's tables; empty for all that have a value.
        format: None is the screen, or with an output directory all that are files.
        output: directory for files; None is stdout.
    """

    directories: Sequence[Path]
    numbers: Sequence[int]
    format: ReportFormat | None
    output: Path | None


@dataclass(frozen=True)
class Report:
    """Everything that there is to say.

    Attributes:
        found: the runs.
        tables: of what was retrained.
        searches: how searches went, a table an experiment; none where certain tables are asked for.
    """

    found: Runs
    tables: tuple[Table, ...]
    searches: tuple[Table, ...]


def choose_format(names: Sequence[str], *, as_json: bool) -> ReportFormat | None:
    """The format that `--format` and `--json` ask for together; None where they say nothing.

    Raises:
        InputError: there is no such format, several are asked for, or the two contradict each
            other.
    """
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


def make_report(request: ReportRequest) -> None:
    """Writes the report to where it was asked for, and what could not be read to stderr.

    Raises:
        InputError: there is no such table, the output is no directory, or a screen cannot be one.
        EmtnasError: no run has a readable commit, or the disk refused a file.
    """
    _check(request)
    report = _gather(request.directories, request.numbers)
    if request.output is not None:
        for path in _write(report, request.format, request.output):
            print(path)
    elif request.format in (None, ReportFormat.SCREEN):
        _show(report)
    elif request.format is ReportFormat.CSV:
        _print_csv(report)
    else:
        assert request.format is not None
        print(_render(report, request.format), end="")


def _check(request: ReportRequest) -> None:
    for number in request.numbers:
        if number not in NUMBERS:
            raise InputError(f"--table is {number}, expected one of {_listed(NUMBERS)}")
    if request.output is not None and request.format is ReportFormat.SCREEN:
        raise InputError(
            f"--output takes files, --format screen is none; expected {_listed(_FILES)}"
        )


def _gather(directories: Sequence[Path], numbers: Sequence[int]) -> Report:
    found = read_runs(directories)
    for problem in found.problems:
        print(f"skipped {problem}", file=sys.stderr)
    if not found.runs:
        raise EmtnasError(f"no commit that can be read in {', '.join(map(str, directories))}")
    searches = () if numbers else search_tables(found.runs)
    return Report(found, build_tables(found.runs, numbers or None), searches)


def _show(report: Report) -> None:
    screen = open_screen()
    print_tables(screen, report.tables)
    if report.searches:
        print_searches(screen, report.found.runs)


def _print_csv(report: Report) -> None:
    """One table fits: of retrained networks, or of searches where no network has been retrained."""
    retrained = any(r.finished for run in report.found.runs for r in run.retrainings)
    if retrained or not report.searches:
        print(as_csv(report.tables), end="")
        left_out = f"how the searches went ({_SEARCHES})" if report.searches else ""
    else:
        print(searches_as_csv(report.found.runs), end="")
        left_out = f"the paper's tables ({_REPORT}.csv)" if report.tables else ""
    if left_out:
        print(f"left out: {left_out}; --output writes both", file=sys.stderr)


def _render(report: Report, chosen: ReportFormat) -> str:
    if chosen is ReportFormat.MARKDOWN:
        return as_markdown((*report.tables, *report.searches))
    if chosen is ReportFormat.LATEX:
        return as_latex((*report.tables, *report.searches))
    if chosen is ReportFormat.CSV:
        return as_csv(report.tables)
    if chosen is ReportFormat.HTML:
        from emtnas_hpc.report.page import make_page

        return make_page(report.found, report.tables)
    return as_json(
        {
            "tables": table_values(report.tables),
            "experiments": [asdict(summary) for summary in summarise(report.found.runs)],
            "seeds": [asdict(run.search) for run in report.found.runs if run.search is not None],
            "retrainings": [
                values for run in report.found.runs for values in _retraining_values(run)
            ],
            "problems": list(report.found.problems),
        }
    )


def _retraining_values(run: Run) -> list[dict[str, object]]:
    """All of every retraining but its curve."""
    return [
        {
            "directory": run.directory,
            "epoch": len(retraining.epochs),
            **{name: value for name, value in _values_of(retraining) if name not in _CURVE},
            "diverged": retraining.diverged or None,
            "counts": run.counts(retraining),
        }
        for retraining in run.retrainings
    ]


def _values_of(retraining: Retraining) -> Iterable[tuple[str, object]]:
    return asdict(replace(retraining, test=retraining.verdict)).items()


_CURVE = ("epochs", "part")


def _write(report: Report, chosen: ReportFormat | None, directory: Path) -> Iterator[Path]:
    """Writes one format, or all; the page comes with its figures."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--output is {str(directory)!r}, which cannot be used ({error.strerror}); expected a "
            "directory, there or still to be made"
        ) from None
    for text_format in (f for f in _SUFFIXES if chosen in (None, f)):
        path = directory / f"{_REPORT}.{_SUFFIXES[text_format]}"
        yield _write_text(path, _render(report, text_format))
        if text_format is ReportFormat.CSV and report.searches:
            yield _write_text(directory / _SEARCHES, searches_as_csv(report.found.runs))
    if chosen in (None, ReportFormat.HTML):
        # Matplotlib takes a second to import, and only this needs it.
        from emtnas_hpc.report.page import publish

        yield from publish(report.found, report.tables, directory)


def _write_text(path: Path, text: str) -> Path:
    with storage_errors(path, advice=_ADVICE):
        # A name of a folder may hold bytes that are no text.
        path.write_bytes(text.encode(errors="replace"))
    return path


def _listed(options: Iterable[object]) -> str:
    return ", ".join(map(str, options))
