"""The report as one HTML page that needs nothing but itself, and its figures as files."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

import emtnas_hpc
from emtnas_hpc.report.comparisons import (
    is_curve,
    plot_contrasts,
    plot_fittest,
    plot_sweep,
    plot_times,
)
from emtnas_hpc.report.experiments import ExperimentRuns
from emtnas_hpc.report.figures import (
    Plot,
    as_svg,
    plot_diversity,
    plot_sizes,
    plot_transfers,
    styled,
)
from emtnas_hpc.report.load import Runs
from emtnas_hpc.report.render import parts
from emtnas_hpc.report.search_frames import generation_frame, individual_frame, time_frame
from emtnas_hpc.report.searches import search_table
from emtnas_hpc.report.sweeps import find_sweeps
from emtnas_hpc.report.table import Table
from emtnas_hpc.report.tables import sweep_tables
from emtnas_hpc.space.architecture import CELL_NAMES, parse_genotype
from emtnas_hpc.space.drawing import draw_cell_svg

_PAGE_NAME, _FIGURES_NAME = "report.html", "figures"
_TEMPLATES = Path(__file__).parent / "templates"

#: What is said of a start, and how a page calls it.
_FACTS = {
    "emtnas_hpc": "emtnas-hpc",
    "torch": "PyTorch",
    "numpy": "NumPy",
    "python": "Python",
    "device": "device",
    "device_model": "model",
    "cpu_capability": "CPU capability",
    "threads": "threads",
    "precision": "precision",
    "depthwise": "depthwise convolutions",
    "pointwise": "1x1 convolutions",
    "platform": "platform",
}
_DATE = len("2026-11-24")
#: Characters that fit on a sheet of paper, where printed numbers are in smaller letters.
_WIDTH = 150
#: Of an SVG document, what means nothing in an address within quotation marks.
_PLAIN = " !$'()*+,-./:;<=>?@[]^_`{|}~"


@dataclass(frozen=True)
class Drawing:
    """A finished figure, an SVG document: its `name` is that of its file, and no other figure's."""

    name: str
    title: str
    text: str
    alt: str
    svg: str


@dataclass(frozen=True)
class Chapter:
    """The figures of one experiment; `cells` by seed, then by what they are of."""

    experiment: ExperimentRuns
    figures: tuple[Drawing, ...]
    cells: Mapping[int, Mapping[str, Sequence[Drawing]]]

    @property
    def drawings(self) -> Iterator[Drawing]:
        """All of them, in the order of a page."""
        yield from self.figures
        for found in self.cells.values():
            yield from chain.from_iterable(found.values())


def make_page(runs: Runs, tables: Sequence[Table], experiments: Sequence[ExperimentRuns]) -> str:
    """The page alone, as text; the same text for the same runs."""
    return make_files(runs, tables, experiments)[_PAGE_NAME]


def make_files(
    runs: Runs, tables: Sequence[Table], experiments: Sequence[ExperimentRuns]
) -> dict[str, str]:
    """`report.html`, and in `figures/` an SVG of every figure and their captions, by their paths.

    Args:
        runs: that were read.
        tables: those of contrasts get a figure.
        experiments: whose searches are shown.
    """
    overview, chapters = draw_overview(experiments), list(map(draw_chapter, experiments))
    below = _with_forests(tables)
    forests = [drawing for _table, drawing in below if drawing is not None]
    drawings = [*forests, *overview, *chain.from_iterable(each.drawings for each in chapters)]
    return {
        _PAGE_NAME: _render(runs, below, overview, chapters),
        **{f"{_FIGURES_NAME}/{drawing.name}.svg": drawing.svg for drawing in drawings},
        f"{_FIGURES_NAME}/captions.md": "\n".join(
            f"**{drawing.name}** {drawing.text}\n" for drawing in drawings
        ),
    }


def draw_overview(experiments: Sequence[ExperimentRuns]) -> list[Drawing]:
    """The figures of all experiments together; none at all if there is no experiment."""
    if not experiments:
        return []
    with styled():
        plots = {"times": plot_times(time_frame(experiments))}
        for sweep in find_sweeps(experiments):
            if sweep.setting == "search.reevaluate":
                name = f"{sweep.experiments[-1].key}-reevaluation"
                plots[name] = plot_fittest(*map(generation_frame, sweep.experiments))
        for table in filter(is_curve, sweep_tables(experiments)):
            plots[f"{table.key}-curve"] = plot_sweep(table)
        return [_finished(name, plot) for name, plot in plots.items()]


def _with_forests(tables: Sequence[Table]) -> list[tuple[Table, Drawing | None]]:
    """Tables, those of contrasts with their figure."""
    with styled():
        return [
            (
                table,
                _finished(f"{table.key}-forest", plot_contrasts(table))
                if table.is_contrasts
                else None,
            )
            for table in tables
        ]


def draw_chapter(experiment: ExperimentRuns) -> Chapter:
    """All figures of one experiment."""
    generations, individuals = generation_frame(experiment), individual_frame(experiment)
    with styled():
        plots = {"fittest": plot_fittest(generations)}
        if len(experiment.own_tasks) > 1:
            plots["transfers"] = plot_transfers(individuals)
        plots |= {"diversity": plot_diversity(generations), "sizes": plot_sizes(individuals)}
        figures = tuple(_finished(f"{experiment.key}-{name}", p) for name, p in plots.items())
    cells: dict[int, dict[str, list[Drawing]]] = defaultdict(dict)
    for search in experiment.drawn:
        for found in search.tasks:
            seed, architecture = search.header.seed, parse_genotype(found.genotype)
            drawn = cells[seed][f"{found.task}: individual {found.incumbent}"] = []
            for kind in CELL_NAMES:
                title = f"{kind.capitalize()} cell"
                what = f"{found.task}, seed {seed}: individual {found.incumbent}"
                alt = f"{title} of {what}"
                name = f"{experiment.key}-seed-{seed}-{found.task}-{kind}"
                svg = draw_cell_svg(getattr(architecture, kind), alt)
                drawn.append(
                    Drawing(name, title, f"{title} of the incumbent of {what}.", alt, svg=svg)
                )
    return Chapter(experiment, figures, cells)


def _finished(name: str, plot: Plot) -> Drawing:
    return Drawing(name, plot.title, plot.text, plot.alt, svg=as_svg(plot.figure))


def provenance_rows(conditions: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Facts of the starts that committed something; of several values, how many starts had each."""
    starts = list(conditions)
    rows = [(label, _values(starts, name)) for name, label in _FACTS.items()]
    days = sorted({str(start["time"])[:_DATE] for start in starts if "time" in start})
    rows.append(("started", " to ".join(dict.fromkeys((*days[:1], *days[-1:])))))
    return [(label, value) for label, value in rows if value]


def _values(starts: Sequence[Mapping[str, Any]], name: str) -> str:
    counts = Counter(str(start[name]) for start in starts if name in start)
    if len(counts) < 2:
        return "".join(counts)
    return "; ".join(f"{value} ({_plural(n, 'start')})" for value, n in sorted(counts.items()))


def _render(
    runs: Runs,
    tables: Sequence[tuple[Table, Drawing | None]],
    overview: Sequence[Drawing],
    chapters: Sequence[Chapter],
) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(parts=lambda table: parts(table, _WIDTH, stacked=True))
    environment.filters.update(data_uri=_data_uri)
    n_retrained = sum(retraining.finished for run in runs.runs for retraining in run.retrainings)
    counts = {
        "run": len(runs.runs),
        **({"experiment": len(chapters)} if chapters else {}),
        "finished retraining": n_retrained,
    }
    title = f"{chapters[0].experiment.name}: the report" if len(chapters) == 1 else None
    return environment.get_template("page.html.j2").render(
        title=title or "Architecture searches",
        lead=", ".join(_plural(n, what) for what, n in counts.items()) + ".",
        problems=runs.problems,
        tables=tables,
        overview=overview,
        chapters=[(chapter, search_table(chapter.experiment)) for chapter in chapters],
        provenance=provenance_rows(c for run in runs.runs for c in run.conditions()),
        version=emtnas_hpc.__version__,
    )


def _data_uri(svg: str) -> str:
    """A picture of its own: what it refers to and how it looks stays within it.

    What would end the address or its attribute is escaped; as base64 it would take a fifth more.
    """
    one_line = svg.replace(">\n<", "><")
    return f"data:image/svg+xml,{quote(one_line, safe=_PLAIN)}"


def _plural(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
