"""From tables and figures to the page's HTML."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import jinja2

import emtnas_hpc
from emtnas_hpc.report.experiments import Experiment, experiments_of
from emtnas_hpc.report.figures.gallery import Chapter, Drawing, Gallery, Incumbent
from emtnas_hpc.report.page.inline import colour_variables, inline_svg
from emtnas_hpc.report.page.provenance import provenance_rows
from emtnas_hpc.report.page.tables import summary_view, table_view
from emtnas_hpc.report.page.views import (
    ChapterView,
    FigureView,
    IncumbentView,
    PageView,
    SeedView,
)
from emtnas_hpc.report.runs import Runs
from emtnas_hpc.report.table import Table

_TEMPLATES = Path(__file__).parent / "templates"


def build_page(runs: Runs, tables: Sequence[Table], gallery: Gallery) -> str:
    """The report as one HTML document; the same text for the same runs.

    Args:
        runs: all that are reported.
        tables: made of them.
        gallery: likewise.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("page.html.j2").render(
        page=_page(runs, tables, gallery),
        light=colour_variables(dark=False),
        dark=colour_variables(dark=True),
    )


def _page(runs: Runs, tables: Sequence[Table], gallery: Gallery) -> PageView:
    found = experiments_of(runs.runs)
    experiments = {experiment.signature: experiment for experiment in found}
    conditions = [condition for run in runs.runs for condition in run.conditions()]
    return PageView(
        title="Architecture searches" if len(found) != 1 else f"{found[0].name}: the report",
        lead=_lead(runs, len(found)),
        problems=runs.problems,
        tables=tuple(map(table_view, tables)),
        overview=tuple(map(_figure, gallery.overview)),
        chapters=tuple(_chapter(chapter, experiments) for chapter in gallery.chapters),
        provenance=provenance_rows(conditions),
        version=emtnas_hpc.__version__,
    )


def _lead(runs: Runs, n_experiments: int) -> str:
    n_retrained = sum(retraining.finished for run in runs.runs for retraining in run.retrainings)
    counts = (
        (len(runs.runs), "run"),
        (n_experiments, "experiment"),
        (n_retrained, "finished retraining"),
    )
    return ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in counts) + "."


def _chapter(chapter: Chapter, experiments: dict[str, Experiment]) -> ChapterView:
    experiment = chapter.experiment
    found = experiments.get(experiment.signature)
    progress = "" if experiment.finished else f", up to generation {experiment.generation}"
    return ChapterView(
        key=experiment.key,
        title=experiment.title,
        lead=f"Searched on {' + '.join(experiment.tasks)}, {experiment.seeds}{progress}.",
        summary=summary_view(found) if found else None,
        figures=tuple(map(_figure, chapter.figures)),
        seeds=tuple(
            SeedView(seed, tuple(map(_incumbent, incumbents)))
            for seed, incumbents in groupby(chapter.incumbents, lambda incumbent: incumbent.seed)
        ),
    )


def _incumbent(incumbent: Incumbent) -> IncumbentView:
    heading = f"{incumbent.task}: individual {incumbent.individual}"
    return IncumbentView(heading, tuple(map(_figure, incumbent.cells)))


def _figure(drawing: Drawing) -> FigureView:
    caption = drawing.caption
    svg = inline_svg(drawing.svg, drawing.name, caption.alt)
    return FigureView(drawing.name, caption.title, caption.text, svg)
