"""All figures of some searches, drawn: a chapter an experiment, and what compares them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from emtnas_hpc.report.figures import captions
from emtnas_hpc.report.figures.captions import Caption
from emtnas_hpc.report.figures.cells import draw_cell
from emtnas_hpc.report.figures.diversity import draw_diversity
from emtnas_hpc.report.figures.fittest import draw_fittest
from emtnas_hpc.report.figures.searches import Searches
from emtnas_hpc.report.figures.sizes import draw_sizes
from emtnas_hpc.report.figures.style import styled
from emtnas_hpc.report.figures.times import draw_times
from emtnas_hpc.report.figures.transfers import draw_transfers
from emtnas_hpc.report.figures.vector import pdf_bytes, svg_text
from emtnas_hpc.space.architecture import Architecture, Cell, decode
from emtnas_hpc.space.genotype import CELL_NAMES
from emtnas_hpc.space.picture import draw_cell_svg

_BY_GENERATION: tuple[tuple[str, Callable[[Searches], Figure], Callable[..., Caption]], ...] = (
    ("fittest", draw_fittest, captions.caption_fittest),
    ("transfers", draw_transfers, captions.caption_transfers),
    ("diversity", draw_diversity, captions.caption_diversity),
    ("sizes", draw_sizes, captions.caption_sizes),
)


@dataclass(frozen=True)
class Drawing:
    """A finished figure.

    Attributes:
        name: of its files, without a suffix; no other figure's.
        caption: its words.
        svg: a whole document.
        pdf: likewise; None where it was not asked for, and for cells.
    """

    name: str
    caption: Caption
    svg: str
    pdf: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class CellDrawing(Drawing):
    """A finished figure of a cell."""

    cell: Cell


@dataclass(frozen=True)
class Incumbent:
    """The two cells that one seed found for one task."""

    seed: int
    task: str
    individual: int
    cells: tuple[CellDrawing, ...]


@dataclass(frozen=True)
class Chapter:
    """The figures of one experiment; all its cells are one PDF, a page each."""

    experiment: Searches
    figures: tuple[Drawing, ...]
    incumbents: tuple[Incumbent, ...]
    cells_pdf: bytes | None


@dataclass(frozen=True)
class Gallery:
    """All figures; none at all if there is no search."""

    overview: tuple[Drawing, ...]
    chapters: tuple[Chapter, ...]

    @property
    def drawings(self) -> Iterator[Drawing]:
        """All of them, in the order of a page."""
        yield from self.overview
        for chapter in self.chapters:
            yield from chapter.figures
            for incumbent in chapter.incumbents:
                yield from incumbent.cells


def draw_gallery(experiments: Sequence[Searches], *, pdf: bool) -> Gallery:
    """Draws everything.

    Args:
        experiments: to draw.
        pdf: whether to make PDFs too.
    """
    if not experiments:
        return Gallery((), ())
    with styled():
        caption = captions.caption_times(experiments)
        overview = _finish("times", draw_times(experiments), caption, pdf)
        chapters = tuple(_chapter(experiment, pdf) for experiment in experiments)
    return Gallery((overview,), chapters)


def _chapter(experiment: Searches, pdf: bool) -> Chapter:
    figures = tuple(
        _finish(f"{experiment.key}-{name}", draw(experiment), describe(experiment), pdf)
        for name, draw, describe in _BY_GENERATION
        if name != "transfers" or len(experiment.tasks) > 1
    )
    incumbents = tuple(_incumbents(experiment))
    cells = [cell for incumbent in incumbents for cell in incumbent.cells]
    cells_pdf = pdf_bytes(draw_cell(drawn.cell) for drawn in cells) if pdf else None
    return Chapter(experiment, figures, incumbents, cells_pdf)


def _finish(name: str, figure: Figure, caption: Caption, pdf: bool) -> Drawing:
    svg = svg_text(figure)
    # Laid out a moment ago; the PDF is to look the same, and in half the time.
    figure.set_layout_engine("none")
    return Drawing(name, caption, svg, pdf_bytes([figure]) if pdf else None)


def _incumbents(experiment: Searches) -> Iterator[Incumbent]:
    for trace in experiment.traces:
        seed = trace.header.seed
        for task, name in enumerate(experiment.tasks):
            individual = int(trace.incumbents[task])
            stem = f"{experiment.key}-seed-{seed}-{name}"
            what = f"{name}, seed {seed}: individual {individual}"
            architecture = decode(tuple(trace.chromosomes[individual].tolist()))
            yield Incumbent(seed, name, individual, _draw_cells(architecture, stem, what))


def _draw_cells(architecture: Architecture, stem: str, what: str) -> tuple[CellDrawing, ...]:
    """An architecture's two cells.

    Args:
        architecture: to draw.
        stem: the figures' names begin so.
        what: whose cells they are, in a few words.
    """
    drawn = []
    for kind in CELL_NAMES:
        title = f"{kind.capitalize()} cell"
        caption = Caption(title, f"{title} of the incumbent of {what}.", f"{title} of {what}")
        cell: Cell = getattr(architecture, kind)
        svg = draw_cell_svg(cell, caption.alt)
        drawn.append(CellDrawing(f"{stem}-{kind}", caption, svg, cell=cell))
    return tuple(drawn)
