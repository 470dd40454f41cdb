import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import matplotlib
import pandas as pd
import pytest
from matplotlib.figure import Figure
from searches_by_hand import by_hand, drawn, risen, search, seeds

from emtnas_hpc.report.comparisons import plot_fittest, plot_times
from emtnas_hpc.report.experiments import ExperimentRuns
from emtnas_hpc.report.figures import (
    MOST_VECTOR_POINTS,
    SERIES,
    as_svg,
    band_of,
    plot_sizes,
    plot_transfers,
    styled,
)
from emtnas_hpc.report.page import Chapter, Drawing, draw_chapter, draw_overview
from emtnas_hpc.report.search_frames import generation_frame, individual_frame, time_frame

pytestmark = pytest.mark.slow

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def chapters() -> list[Chapter]:
    """Of one task with one seed, and two tasks with two."""
    experiments = drawn([*seeds(2), *seeds(1, n_tasks=1, generations=4)])
    return list(map(draw_chapter, experiments))


@pytest.fixture(scope="module")
def drawings(chapters: list[Chapter]) -> list[Drawing]:
    overview = draw_overview([chapter.experiment for chapter in chapters])
    return [*overview, *(drawing for chapter in chapters for drawing in chapter.drawings)]


def texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def one(n_tasks: int = 2, n: int = 2, generations: int = 6) -> ExperimentRuns:
    (experiment,) = drawn(seeds(n, n_tasks=n_tasks, generations=generations))
    return experiment


def test_a_band_is_mean_and_sample_deviation_of_what_was_measured() -> None:
    nan = float("nan")
    band = band_of(pd.DataFrame({0: [1.0, nan, nan, 4.0], 1: [3.0, nan, 5.0, 4.0]}, range(1, 5)))
    assert band.index.tolist() == [1, 3, 4]
    assert band["mean"].tolist() == [2.0, 5.0, 4.0]
    assert band["std"].tolist() == pytest.approx([2**0.5, 0.0, 0.0])


def test_lines_end_where_the_first_seed_does() -> None:
    (experiment,) = drawn([search(until=3), search(seed=1, until=2)])
    for plot in (
        plot_fittest(generation_frame(experiment)),
        plot_transfers(individual_frame(experiment)),
    ):
        assert [line.get_xdata().tolist() for line in plot.figure.axes[0].lines] == [[1, 2]] * 2


#: Of two seeds, the true accuracy and the fitness of the fittest in three generations.
ROUGH = (([0.3, 0.5, 0.3], [0.4, 0.4, 0.4]), ([0.3, 0.6, 0.6], [0.3, 0.5, 0.6]))


def test_figure_5_has_a_column_without_and_one_with_re_evaluation() -> None:
    smooth = [([0.3, 0.4, 0.5], [0.3, 0.4, 0.5])] * 2
    frames = []
    for which, numbers in (("without re-evaluation", ROUGH), ("with re-evaluation", smooth)):
        histories = [risen(*each, seed, n_tasks=2) for seed, each in enumerate(numbers)]
        frame = generation_frame(*drawn(histories))
        frame.attrs["reevaluation"] = which
        frames.append(frame)
    plot = plot_fittest(*frames)
    titles = [axes.get_title() for axes in plot.figure.axes]
    assert titles == [
        *("task0, without re-evaluation", "task0, with re-evaluation"),
        *("task1, without re-evaluation", "task1, with re-evaluation"),
    ]
    means = [[line.get_ydata().tolist() for line in axes.lines] for axes in plot.figure.axes]
    for seen, true in means[0::2]:
        assert (seen, true) == (pytest.approx([35, 45, 50]), pytest.approx([30, 55, 45]))
    for seen, true in means[1::2]:
        assert seen == true == pytest.approx([30, 40, 50])
    # Of the first seed 0 and 20 points are lost, and the estimate is off by 10 each time; of the
    # second nothing is lost, and it is off by 10 once.
    rough = "drop 5.00 ±7.07, gap 6.67 ±4.71"
    assert f"Without re-evaluation: task0 {rough}; task1 {rough}. Mean and" in plot.text
    even = "drop 0.00 ±0.00, gap 0.00 ±0.00"
    assert f"With re-evaluation: task0 {even}; task1 {even}. Mean and" in plot.text


def test_children_so_far_are_summed_up_over_generations() -> None:
    history = search(n_tasks=3)
    children = [i for i in history.individuals if i.skill_factor == 1 and i.parent_a >= 0]
    parents = [{i.parent_a, i.parent_b} - {-1} for i in children]
    tasks = [{history.individuals[i].skill_factor for i in each} for each in parents]
    figure = plot_transfers(individual_frame(drawn([history])[0])).figure
    lines = [line for line in figure.axes[1].lines if line.get_linestyle() == "--"]
    expected = [sum(other in found for found in tasks) for other in (0, 2)]
    assert [line.get_ydata()[-1] for line in lines] == expected


def test_an_experiment_has_these_figures(chapters: list[Chapter]) -> None:
    single, multi = chapters
    assert [figure.name.rpartition("-")[2] for figure in multi.figures] == [
        *("fittest", "transfers", "diversity", "sizes")
    ]
    assert [figure.name.rpartition("-")[2] for figure in single.figures] == [
        *("fittest", "diversity", "sizes")
    ]


def test_no_two_figures_have_one_name(drawings: list[Drawing]) -> None:
    names = [drawing.name for drawing in drawings]
    assert names[0] == "times"
    assert len(names) == len(set(names)) == 1 + 3 + 2 + 4 + 2 * 2 * 2


def test_axes_say_what_they_show_and_in_which_unit(chapters: list[Chapter]) -> None:
    fittest, transfers, diversity, sizes = (texts(f.svg) for f in chapters[1].figures)
    assert {"accuracy (%)", "generation", "task0", "task1"} <= set(fittest)
    assert {"children so far", "children of task1", "born"} <= set(transfers)
    assert {"different chromosomes", "mean distance (of 40 genes)"} <= set(diversity)
    assert {"parameters (million)", "sampled accuracy (%)", "incumbent"} <= set(sizes)


def test_captions_name_seeds_and_batch_norm_mode(chapters: list[Chapter]) -> None:
    fittest, _transfers, _diversity, sizes = chapters[1].figures
    for figure in (fittest, sizes):
        assert "Batch-norm mode batch." in figure.text
        assert "Seeds 0, 1 (n = 2)." in figure.text
    assert "deviation" not in chapters[0].figures[0].text


def test_a_search_of_one_generation_without_true_fitness_can_be_drawn() -> None:
    (experiment,) = drawn([search(until=1)])
    frame = generation_frame(experiment)
    frame["true"] = float("nan")
    assert "no task: unmeasured" in plot_fittest(frame).alt


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw_overview(()) == []


def widths_of_legends(figure: Figure) -> list[float]:
    with styled():
        figure.draw_without_rendering()
        return [legend.get_window_extent().width for legend in figure.legends]


@pytest.mark.parametrize(
    "name", ["pneumoniamnist", "a-task-of-a-name-that-fills-one-line-by-itself" * 2]
)
def test_no_legend_is_wider_than_its_figure(name: str) -> None:
    frame = individual_frame(one())
    frame = frame.replace("task1", name)
    frame.attrs = {**individual_frame(one()).attrs, "tasks": ("task0", name)}
    with styled():
        figure = plot_transfers(frame).figure
    assert max(widths_of_legends(figure)) <= figure.bbox.width


def test_the_bars_of_time_add_up_to_the_total_in_its_unit() -> None:
    times = time_frame(drawn([by_hand(seconds=(900.0, 450.0, 15.0, 300.0))]))
    (axes,) = plot_times(times).figure.axes
    widths = [patch.get_width() for patch in axes.patches]
    assert widths == pytest.approx([60, 30, 20, 1])
    assert axes.get_xlabel() == "time (min), mean over seeds"
    assert axes.texts[0].get_text() == "fake: 111 min"


def test_times_that_are_all_zero_are_drawn() -> None:
    plot = plot_times(time_frame(drawn([by_hand(seconds=(0.0, 0.0, 0.0, 0.0))])))
    plot.figure.draw_without_rendering()
    assert plot.alt.endswith("training 0 %, evaluation 0 %, true fitness 0 %, search 0 %.")


def test_a_name_longer_than_the_figure_is_broken_between_its_overrides() -> None:
    name = "a-search" + "".join(f"+task{n}.source=some-file-{n}.npz" for n in range(6))
    figure = plot_times(time_frame([replace(one(), title=name)])).figure
    figure.draw_without_rendering()  # a warning, and so an error, where the bars get no room
    (label,) = (text.get_text() for text in figure.axes[0].texts)
    lines = label.split("\n")
    assert "".join(lines).startswith(f"{name}: ")
    assert max(map(len, lines)) <= 60


def test_thousands_of_points_are_one_picture_within_the_figure() -> None:
    few, many = (plot_sizes(individual_frame(one(generations=n))).figure for n in (3, 100))
    for figure, expected in ((few, False), (many, True)):
        points = figure.axes[0].collections[0]
        assert (len(points.get_offsets()) > MOST_VECTOR_POINTS) == expected
        assert bool(points.get_rasterized()) == expected


def test_coordinates_are_short_and_numbers_in_texts_whole() -> None:
    with styled():
        figure = Figure()
        figure.subplots().set(title="a mean of 0.12345", yticks=[1 / 3])
        svg = as_svg(figure)
    assert "a mean of 0.12345" in texts(svg)
    assert not re.search(r"\d\.\d{3}", re.sub(">[^<]*<", "><", svg))


def test_a_search_of_more_tasks_than_colours_can_be_drawn() -> None:
    chapter = draw_chapter(one(n_tasks=len(SERIES) + 1))
    assert "foreign parent of task4" in texts(chapter.figures[1].svg)


def test_the_same_data_gives_the_same_bytes(chapters: list[Chapter]) -> None:
    for chapter in chapters:
        again = draw_chapter(chapter.experiment)
        assert list(again.drawings) == list(chapter.drawings)


def test_figures_carry_no_date_and_no_background(drawings: list[Drawing]) -> None:
    for drawing in drawings:
        assert not re.search(r"dc:date|\b20\d\d-\d\d-\d\d", drawing.svg)
    assert "#ffffff" not in drawings[1].svg


def test_drawing_leaves_matplotlib_as_it_was() -> None:
    with matplotlib.rc_context({"font.size": 17.0, "svg.fonttype": "path"}):
        before = dict(matplotlib.rcParams)
        draw_chapter(one(n=1))
        assert dict(matplotlib.rcParams) == before


def test_pyplot_is_never_imported() -> None:
    code = "import sys, emtnas_hpc.report.page as w; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_report_without_figures_imports_no_matplotlib() -> None:
    code = (
        "import sys, emtnas_hpc.cli.report; "
        "sys.exit('matplotlib' in sys.modules or 'jinja2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
