"""The report as one HTML page that needs nothing but itself."""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2

import emtnas_hpc
from emtnas_hpc.checkpoint.atomic import make_directory
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.report.experiments import Experiment, Searches, experiments_of
from emtnas_hpc.report.gallery import Gallery, draw_gallery, write_gallery
from emtnas_hpc.report.load import Runs
from emtnas_hpc.report.render import parts
from emtnas_hpc.report.searches import search_notes, search_table
from emtnas_hpc.report.table import Table, list_seeds

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


def make_page(runs: Runs, tables: Sequence[Table]) -> str:
    """The page alone, as text; the same text for the same runs."""
    return _render(runs, tables, _draw(runs))


def publish(runs: Runs, tables: Sequence[Table], output: Path) -> list[Path]:
    """Writes `report.html`, and in `figures/` an SVG of every figure.

    Args:
        runs: that are reported.
        tables: made of them.
        output: a folder; files of an earlier report are replaced.

    Returns:
        What was written, the page first.

    Raises:
        StorageError: the disk refused.
    """
    gallery = _draw(runs)
    make_directory(output)
    page = output / _PAGE_NAME
    with storage_errors(page):
        page.write_bytes(_render(runs, tables, gallery).encode(errors="replace"))
    return [page, *write_gallery(gallery, output / _FIGURES_NAME)]


def provenance_rows(conditions: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Facts with their values; of several values, how many starts had each.

    Args:
        conditions: of each start that committed something, as its attempt tells them.
    """
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


def _draw(runs: Runs) -> Gallery:
    return draw_gallery(tuple(map(Searches.of, experiments_of(runs.runs))))


def _render(runs: Runs, tables: Sequence[Table], gallery: Gallery) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(parts=lambda table: parts(table, _WIDTH, stacked=True))
    environment.filters.update(data_uri=_data_uri, by_seed=_by_seed)
    found = experiments_of(runs.runs)
    n_retrained = sum(retraining.finished for run in runs.runs for retraining in run.retrainings)
    counts = {"run": len(runs.runs), "experiment": len(found), "finished retraining": n_retrained}
    return environment.get_template("page.html.j2").render(
        title="Architecture searches" if len(found) != 1 else f"{found[0].name}: the report",
        lead=", ".join(_plural(n, what) for what, n in counts.items()) + ".",
        problems=runs.problems,
        tables=tables,
        overview=gallery.overview,
        chapters=list(zip(found, map(_summary, found), gallery.chapters, strict=True)),
        provenance=provenance_rows(c for run in runs.runs for c in run.conditions()),
        version=emtnas_hpc.__version__,
    )


def _summary(experiment: Experiment) -> Table:
    """What an experiment's searches found; the title says n."""
    table = search_table(experiment)
    results = [run.search for run in experiment.averaged if run.search is not None]
    left_out = " and left out" if experiment.finished else ""
    meaning, *others = search_notes([experiment])
    notes = [
        *table.diverged_notes(),
        f"Batch-norm mode {results[0].batch_norm}. {meaning}",
        *others,
    ]
    if experiment.unfinished:
        notes.append(f"Not finished{left_out}: {list_seeds(experiment.unfinished)}.")
    title = f"What the searches found: mean ± sample standard deviation, n = {len(results)}"
    return replace(table, title=title, notes=tuple(notes))


def _data_uri(svg: str) -> str:
    """A picture of its own: what it refers to and how it looks stays within it."""
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"


def _by_seed(incumbents: Iterable[Any]) -> list[tuple[int, list[Any]]]:
    """Incumbents of one seed after the other; jinja's own grouping would sort them anew."""
    return [(seed, list(of)) for seed, of in groupby(incumbents, lambda found: found.seed)]


def _plural(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"
