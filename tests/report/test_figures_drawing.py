import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from traces import by_hand, drawn, search, traces

from emtnas_hpc.errors import StorageError
from emtnas_hpc.report.experiments import Searches
from emtnas_hpc.report.figures import MOST_VECTOR_POINTS, SERIES, plot_sizes, plot_times
from emtnas_hpc.report.gallery import Gallery, draw_gallery, write_gallery
from emtnas_hpc.report.search_arrays import trace_of

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    """Of two tasks with two seeds, and one task with one."""
    return draw_gallery(drawn([*traces(2), *traces(1, n_tasks=1, generations=4)]))


def texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def one(n_tasks: int = 2, n: int = 2, generations: int = 6) -> Searches:
    (experiment,) = drawn(traces(n, n_tasks=n_tasks, generations=generations))
    return experiment


def test_an_experiment_has_these_figures(gallery: Gallery) -> None:
    single, multi = gallery.chapters
    assert [figure.name.rpartition("-")[2] for figure in multi.figures] == [
        *("fittest", "transfers", "diversity", "sizes")
    ]
    assert [figure.name.rpartition("-")[2] for figure in single.figures] == [
        *("fittest", "diversity", "sizes")
    ]
    assert [drawing.name for drawing in gallery.overview] == ["times"]


def test_no_two_figures_have_one_name(gallery: Gallery) -> None:
    names = [drawing.name for drawing in gallery.drawings]
    assert len(names) == len(set(names)) == 1 + 3 + 2 + 4 + 2 * 2 * 2


def test_axes_say_what_they_show_and_in_which_unit(gallery: Gallery) -> None:
    fittest, transfers, diversity, sizes = (texts(f.svg) for f in gallery.chapters[1].figures)
    assert {"accuracy (%)", "generation", "task0", "task1"} <= set(fittest)
    assert {"children so far", "children of task1", "born"} <= set(transfers)
    assert {"different chromosomes", "mean distance (of 40 genes)"} <= set(diversity)
    assert {"parameters (million)", "sampled accuracy (%)", "incumbent"} <= set(sizes)


def test_captions_name_seeds_and_batch_norm_mode(gallery: Gallery) -> None:
    fittest, _transfers, _diversity, sizes = gallery.chapters[1].figures
    for figure in (fittest, sizes):
        assert "Batch-norm mode batch." in figure.text
        assert "Seeds 0, 1 (n = 2)." in figure.text
    assert "deviation" not in gallery.chapters[0].figures[0].text


def test_a_caption_says_which_seeds_are_left_out_and_how_far_the_others_are() -> None:
    experiments = drawn([trace_of(search()), trace_of(search(seed=1, until=2))])
    (chapter,) = draw_gallery(experiments).chapters
    assert "Not finished and left out: seed 1." in chapter.figures[0].text
    (chapter,) = draw_gallery(drawn([trace_of(search(until=2))])).chapters
    assert "Not finished: shown up to generation 2." in chapter.figures[0].text


def test_a_search_of_one_generation_without_true_fitness_can_be_drawn() -> None:
    trace = trace_of(search(until=1))
    trace.true_fitness[:] = np.nan
    (chapter,) = draw_gallery(drawn([trace])).chapters
    assert "no task: unmeasured" in chapter.figures[0].alt


def test_nothing_is_drawn_of_nothing() -> None:
    assert list(draw_gallery(()).drawings) == []


def test_the_bars_of_time_add_up_to_the_total_in_its_unit() -> None:
    seconds = np.array([[1800.0, 900.0, 30.0], [1800.0, 900.0, 30.0]])
    (axes,) = plot_times(drawn([by_hand(seconds=seconds)])).figure.axes
    widths = [patch.get_width() for patch in axes.patches]
    assert widths == pytest.approx([60, 30, 1])
    assert axes.get_xlabel() == "time (min), mean over seeds"
    assert axes.texts[0].get_text() == "fake: 91.0 min"


def test_a_name_longer_than_the_figure_is_broken_between_its_overrides() -> None:
    name = "a-search" + "".join(f"+task{n}.source=some-file-{n}.npz" for n in range(6))
    figure = plot_times([replace(one(), title=name)]).figure
    figure.draw_without_rendering()  # a warning, and so an error, where the bars get no room
    (label,) = (text.get_text() for text in figure.axes[0].texts)
    lines = label.split("\n")
    assert "".join(lines).startswith(f"{name}: ")
    assert max(map(len, lines)) <= 60


def test_thousands_of_points_are_one_picture_within_the_figure() -> None:
    few, many = (plot_sizes(one(generations=n)).figure for n in (3, 100))
    for figure, expected in ((few, False), (many, True)):
        points = figure.axes[0].collections[0]
        assert (len(points.get_offsets()) > MOST_VECTOR_POINTS) == expected
        assert bool(points.get_rasterized()) == expected


def test_a_search_of_more_tasks_than_colours_can_be_drawn() -> None:
    (chapter,) = draw_gallery([one(n_tasks=len(SERIES) + 1)]).chapters
    assert "foreign parent of task4" in texts(chapter.figures[1].svg)


def test_the_same_data_gives_the_same_bytes(gallery: Gallery) -> None:
    again = draw_gallery([chapter.searches for chapter in gallery.chapters])
    assert list(again.drawings) == list(gallery.drawings)


def test_figures_carry_no_date_and_no_background(gallery: Gallery) -> None:
    for drawing in gallery.drawings:
        assert not re.search(r"dc:date|\b20\d\d-\d\d-\d\d", drawing.svg)
    assert "#ffffff" not in gallery.chapters[1].figures[0].svg


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    with matplotlib.rc_context({"font.size": 17.0, "svg.fonttype": "path"}):
        before = dict(matplotlib.rcParams)
        draw_gallery([one(n=1)])
        assert dict(matplotlib.rcParams) == before


def test_pyplot_is_never_imported() -> None:
    code = (
        "import sys, emtnas_hpc.report.gallery as w; sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_report_without_figures_imports_no_matplotlib() -> None:
    code = (
        "import sys, emtnas_hpc.cli.report; "
        "sys.exit('matplotlib' in sys.modules or 'jinja2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_figure_is_written_as_svg_with_its_caption(gallery: Gallery, tmp_path: Path) -> None:
    written = write_gallery(gallery, tmp_path / "figures")
    names = {file.name for file in written}
    assert names == {path.name for path in (tmp_path / "figures").iterdir()}
    for drawing in gallery.drawings:
        assert (tmp_path / f"figures/{drawing.name}.svg").read_text() == drawing.svg
    assert (tmp_path / "figures/captions.md").read_text().count("**") == 2 * len(
        list(gallery.drawings)
    )


def test_a_folder_that_is_a_file_is_a_storage_error(gallery: Gallery, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        write_gallery(gallery, tmp_path / "file/figures")
