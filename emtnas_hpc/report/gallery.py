"""All figures of some searches: drawn, described, and written as files."""

import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve
from matplotlib.transforms import Affine2D

from emtnas_hpc.checkpoint.atomic import make_directory
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.report.experiments import Searches, listed
from emtnas_hpc.report.figures import (
    DPI,
    NAME,
    draw_diversity,
    draw_fittest,
    draw_sizes,
    draw_times,
    draw_transfers,
    styled,
)
from emtnas_hpc.report.search_arrays import (
    TIME_PARTS,
    band_of,
    ledger_of,
    mean_hamming_distance,
    subpopulation_genes,
)
from emtnas_hpc.space.architecture import CELL_NAMES, Architecture, Cell, decode
from emtnas_hpc.space.drawing import FAINT, FILLS, INK, WIRE, Box, Wire, draw_cell_svg, lay_out

#: A supernet's accuracy says how a search went; it must not be taken for more.
_SHARED = "with the weights that all architectures share, so it ranks no settings"


@dataclass(frozen=True)
class Caption:
    """The words of a figure.

    Attributes:
        title: a few words.
        text: what is shown, of how many seeds, in which batch-norm mode.
        alt: what can be seen in it, with numbers.
    """

    title: str
    text: str
    alt: str


def caption_fittest(experiment: Searches) -> Caption:
    """Of the accuracy of the fittest by generation."""
    ends = []
    for task, name in enumerate(experiment.tasks):
        band = band_of([trace.true_fitness[:, task] for trace in experiment.traces])
        if len(band.mean):
            first, last = (f"{100 * band.mean[i]:.1f} %" for i in (0, -1))
            ends.append(f"{name} from {first} to {last}")
    return Caption(
        "Fittest individual",
        f"Validation accuracy of the fittest individual, measured {_SHARED}. "
        f"Batch-norm mode {experiment.batch_norm}. {_over_seeds(experiment)}",
        f"Lines by generation. True accuracy goes for {', '.join(ends) or 'no task: unmeasured'}.",
    )


def caption_transfers(experiment: Searches) -> Caption:
    """Of the transfer ledger."""
    ledgers = [ledger_of(trace) for trace in experiment.traces]
    born = sum(ledger.born.sum(axis=0) for ledger in ledgers)
    entered = sum(ledger.entered.sum(axis=0) for ledger in ledgers)
    own = np.eye(len(experiment.tasks), dtype=bool)
    foreign = _share(int(entered[~own].sum()), int(born[~own].sum()))
    others = _share(int(entered[own].sum()), int(born[own].sum()))
    return Caption(
        "Transfer between tasks",
        "Children with a parent of another task, summed up over generations: born, and those of "
        f"them that survived their first selection. In all seeds together {foreign} entered the "
        f"population, of children without a foreign parent {others}. {_over_seeds(experiment)}",
        f"Rising lines. {foreign} of children with a foreign parent entered the population.",
    )


def caption_diversity(experiment: Searches) -> Caption:
    """Of diversity by generation."""
    ends = []
    for task, name in enumerate(experiment.tasks):
        genes = [subpopulation_genes(trace, task) for trace in experiment.traces]
        mean = band_of([mean_hamming_distance(g) for g in genes]).mean
        ends.append(f"{name} from {mean[0]:.1f} to {mean[-1]:.1f}")
    return Caption(
        "Diversity",
        "Above, different chromosomes in each subpopulation; below, genes in which two of its "
        f"individuals differ, mean over all pairs. {_over_seeds(experiment)}",
        f"Lines by generation. The mean distance goes for {', '.join(ends)} genes.",
    )


def caption_sizes(experiment: Searches) -> Caption:
    """Of parameters against accuracy."""
    n = sum(len(trace.tasks) for trace in experiment.traces)
    return Caption(
        "Size and accuracy",
        f"All {n:,} individuals that were evaluated: parameters of the search's network (output "
        "slices in use) and accuracy on one validation mini-batch, "
        f"{_SHARED}. Batch-norm mode {experiment.batch_norm}. Ringed: each seed's incumbent. "
        f"{_seeds(experiment)}.{_left_out(experiment)}",
        f"Scatter plot of {n:,} individuals, coloured by generation of birth.",
    )


def caption_times(experiments: Sequence[Searches]) -> Caption:
    """Of the split of time."""
    longest = max(experiments, key=_total_seconds)
    seconds = sum(trace.seconds.sum(axis=0) for trace in longest.traces)
    shares = ", ".join(
        f"{part} {100 * value / seconds.sum():.0f} %"
        for part, value in zip(TIME_PARTS, seconds, strict=True)
    )
    return Caption(
        "Where the time went",
        "Wall clock of sampled training, sampled evaluation and the search itself (breeding, "
        "re-evaluation, selection), summed over tasks; mean ± sample standard deviation over the "
        "seeds of each experiment; without queueing, repeated steps and true fitness."
        f"{_diverged_somewhere(experiments)}",
        f"A stacked bar for each experiment. The longest, {longest.title}: {shares}.",
    )


def _total_seconds(experiment: Searches) -> float:
    return float(np.mean([trace.seconds.sum() for trace in experiment.traces]))


def _over_seeds(experiment: Searches) -> str:
    band = ""
    if len(experiment.traces) > 1:
        band = "Mean over seeds; band: one sample standard deviation to either side. "
    up_to = ""
    if not experiment.finished:
        up_to = f" Not finished: shown up to generation {experiment.generation}."
    return f"{band}{_seeds(experiment)}.{up_to}{_left_out(experiment)}"


def _seeds(experiment: Searches) -> str:
    return experiment.seeds.capitalize()


def _left_out(experiment: Searches) -> str:
    left_out, diverged = experiment.left_out, experiment.diverged
    text = f" Not finished and left out: seed {listed(left_out)}." if left_out else ""
    if experiment.all_diverged:
        text += " The training loss of all of them diverged: what follows on it is noise."
    elif diverged:
        text += f" Diverged and left out: seed {listed(diverged)}."
    return text


def _diverged_somewhere(experiments: Sequence[Searches]) -> str:
    which = [f"{e.title} seed {listed(e.diverged)}" for e in experiments if e.diverged]
    return f" Diverged and left out, unless all did: {'; '.join(which)}." if which else ""


def _share(part: int, whole: int) -> str:
    percent = f" ({100 * part / whole:.0f} %)" if whole else ""
    return f"{part:,} of {whole:,}{percent}"


#: Pixels of a cell's layout in an inch.
_PIXELS = 96.0


def draw_cell(cell: Cell) -> Figure:
    """Draws the same as `space.picture.draw_cell_svg`."""
    layout = lay_out(cell)
    width, height = layout.width, layout.height
    figure = Figure(figsize=(width / _PIXELS, height / _PIXELS))
    # Without axes: making and clearing them takes longer than all that is drawn.
    place = Affine2D().scale(1 / width, -1 / height).translate(0, 1) + figure.transFigure
    for patches in (map(_wire, layout.wires), map(_box, layout.boxes)):
        figure.add_artist(PatchCollection(list(patches), match_original=True, transform=place))
    for box in layout.boxes:
        ink = FAINT if box.unread else INK
        x, y = place.transform((box.x + box.width / 2, box.y)) / figure.bbox.size
        figure.text(x, y, box.text, ha="center", va="center", color=ink, fontsize=8)
    return figure


def _wire(wire: Wire) -> PathPatch:
    (_x, y), (end_x, end_y) = wire.start, wire.end
    middle = (wire.bend + end_x) / 2
    points = [wire.start, (wire.bend, y), (middle, y), (middle, end_y), wire.end]
    codes = [Curve.MOVETO, Curve.LINETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4]
    return PathPatch(Curve(points, codes), fill=False, edgecolor=WIRE, lw=1.05)


def _box(box: Box) -> FancyBboxPatch:
    is_node = box.kind == "node"
    return FancyBboxPatch(
        (box.x, box.y - box.height / 2),
        box.width,
        box.height,
        boxstyle=f"round,pad=0,rounding_size={5 if is_node else 9}",
        facecolor=FILLS[box.kind],
        edgecolor=FILLS[box.kind] if not is_node else FAINT if box.unread else INK,
        linestyle="--" if box.unread else "-",
        lw=0.75,
    )


_CREATOR = "emtnas-hpc"
_PATH = re.compile(r'(?<= d=")[^"]*')
_LONG = re.compile(r"\d+\.\d{3,}")


def svg_text(figure: Figure) -> str:
    """The figure as an SVG document with a transparent background."""
    buffer = io.BytesIO()
    with styled():
        metadata = {"Date": None, "Creator": _CREATOR}
        figure.savefig(buffer, format="svg", metadata=metadata, dpi=DPI)
    # A hundredth of a point is enough, and halves the file.
    text = buffer.getvalue().decode().replace(f"'{NAME}', ", "")
    return _PATH.sub(lambda path: _LONG.sub(lambda n: f"{float(n[0]):.2f}", path[0]), text)


def pdf_bytes(figures: Iterable[Figure]) -> bytes:
    """A PDF with a page a figure; the fonts, which take longest, are in it once."""
    buffer = io.BytesIO()
    metadata = {"CreationDate": None, "Creator": _CREATOR, "Producer": None}
    with styled(), PdfPages(buffer, metadata=metadata) as pages:
        for figure in figures:
            pages.savefig(figure, dpi=DPI)
    return buffer.getvalue()


_BY_GENERATION: tuple[tuple[str, Callable[[Searches], Figure], Callable[..., Caption]], ...] = (
    ("fittest", draw_fittest, caption_fittest),
    ("transfers", draw_transfers, caption_transfers),
    ("diversity", draw_diversity, caption_diversity),
    ("sizes", draw_sizes, caption_sizes),
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
        caption = caption_times(experiments)
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


CAPTIONS_NAME = "captions.md"


def write_gallery(gallery: Gallery, directory: Path) -> list[Path]:
    """Writes all figures; files of these names are replaced.

    What an earlier report drew of other experiments stays: the folder may hold the user's files.

    Returns:
        What was written.

    Raises:
        StorageError: the disk refused.
    """
    make_directory(directory)
    written = []
    for name, content in _files(gallery):
        file = directory / name
        with storage_errors(file):
            file.write_bytes(content)
        written.append(file)
    return written


def _files(gallery: Gallery) -> Iterator[tuple[str, bytes]]:
    captions = []
    for drawing in gallery.drawings:
        yield f"{drawing.name}.svg", drawing.svg.encode()
        if drawing.pdf is not None:
            yield f"{drawing.name}.pdf", drawing.pdf
        captions.append(f"**{drawing.name}** {drawing.caption.text}\n")
    for chapter in gallery.chapters:
        if chapter.cells_pdf is not None:
            yield f"{chapter.experiment.key}-cells.pdf", chapter.cells_pdf
    yield CAPTIONS_NAME, "\n".join(captions).encode()
