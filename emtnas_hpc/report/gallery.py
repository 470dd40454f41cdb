"""All figures of some searches: described, and written as files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.checkpoint.atomic import make_directory
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.report.experiments import Searches
from emtnas_hpc.report.figures import (
    Plot,
    as_svg,
    plot_diversity,
    plot_fittest,
    plot_sizes,
    plot_times,
    plot_transfers,
    styled,
)
from emtnas_hpc.space.architecture import CELL_NAMES, decode
from emtnas_hpc.space.drawing import draw_cell_svg

_PLOTS = {
    "fittest": plot_fittest,
    "transfers": plot_transfers,
    "diversity": plot_diversity,
    "sizes": plot_sizes,
}
_CAPTIONS = "captions.md"


@dataclass(frozen=True)
class Drawing:
    """A finished figure.

    Attributes:
        name: of its file, without a suffix; no other figure's.
        title: a few words.
        text: what is shown, of how many seeds, in which batch-norm mode.
        alt: what can be seen in it, with numbers.
        svg: a whole document.
    """

    name: str
    title: str
    text: str
    alt: str
    svg: str


@dataclass(frozen=True)
class Incumbent:
    """The two cells that one seed found for one task."""

    seed: int
    task: str
    individual: int
    cells: tuple[Drawing, ...]


@dataclass(frozen=True)
class Chapter:
    """The figures of one experiment."""

    searches: Searches
    figures: tuple[Drawing, ...]
    incumbents: tuple[Incumbent, ...]


@dataclass(frozen=True)
class Gallery:
    """All figures; none at all if there is no search."""

    overview: tuple[Drawing, ...] = ()
    chapters: tuple[Chapter, ...] = ()

    @property
    def drawings(self) -> Iterator[Drawing]:
        """All of them, in the order of a page."""
        yield from self.overview
        for chapter in self.chapters:
            yield from chapter.figures
            for incumbent in chapter.incumbents:
                yield from incumbent.cells


def draw_gallery(experiments: Sequence[Searches]) -> Gallery:
    """Draws everything."""
    if not experiments:
        return Gallery()
    with styled():
        overview = _finished("times", plot_times(experiments))
        return Gallery((overview,), tuple(map(_chapter, experiments)))


def _chapter(searches: Searches) -> Chapter:
    figures = tuple(
        _finished(f"{searches.key}-{name}", plot(searches))
        for name, plot in _PLOTS.items()
        if name != "transfers" or len(searches.tasks) > 1
    )
    return Chapter(searches, figures, tuple(_incumbents(searches)))


def _finished(name: str, plot: Plot) -> Drawing:
    return Drawing(name, plot.title, plot.text, plot.alt, as_svg(plot.figure))


def _incumbents(searches: Searches) -> Iterator[Incumbent]:
    for trace in searches.traces:
        seed = trace.header.seed
        for task, name in enumerate(searches.tasks):
            individual = int(trace.incumbents[task])
            architecture = decode(tuple(trace.chromosomes[individual].tolist()))
            what = f"{name}, seed {seed}: individual {individual}"
            cells = []
            for kind in CELL_NAMES:
                title = f"{kind.capitalize()} cell"
                alt = f"{title} of {what}"
                svg = draw_cell_svg(getattr(architecture, kind), alt)
                file = f"{searches.key}-seed-{seed}-{name}-{kind}"
                text = f"{title} of the incumbent of {what}."
                cells.append(Drawing(file, title, text, alt, svg))
            yield Incumbent(seed, name, individual, tuple(cells))


def write_gallery(gallery: Gallery, directory: Path) -> list[Path]:
    """Writes all figures; files of these names are replaced.

    What an earlier report drew of other experiments stays: the folder may hold the user's files.

    Returns:
        What was written.

    Raises:
        StorageError: the disk refused.
    """
    make_directory(directory)
    captions = "\n".join(f"**{drawing.name}** {drawing.text}\n" for drawing in gallery.drawings)
    contents = {f"{drawing.name}.svg": drawing.svg for drawing in gallery.drawings}
    written = []
    for name, content in {**contents, _CAPTIONS: captions}.items():
        file = directory / name
        with storage_errors(file):
            file.write_text(content, encoding="utf-8")
        written.append(file)
    return written
