import math
import re

import numpy as np
import pytest
from contrasts_by_hand import (
    HIGH,
    LOW,
    PAIR,
    QUICK,
    alike,
    family_of,
    kind_of,
    numbers,
    own,
    rows_of,
    tables_by_hand,
    values_by_hand,
)

from emtnas_hpc.report.comparisons import plot_contrasts
from emtnas_hpc.report.contrast_stats import (
    difference_of_means,
    permutation_test,
    pooled_deviation,
    ratio_of_means,
    seeds_to_show,
)
from emtnas_hpc.report.contrasts import contrast_tables
from emtnas_hpc.report.experiments import Recipe
from emtnas_hpc.report.figures import as_svg, styled
from emtnas_hpc.report.render import as_csv, as_json, as_latex, as_markdown, table_values
from emtnas_hpc.report.stats import holm

ONE, TWO = (kind_of(task) for task in PAIR)
ONE_AGAIN, TWO_AGAIN = (kind_of(task, reevaluate=True) for task in PAIR)
PLAIN, BEST = kind_of(*PAIR), kind_of(*PAIR, reevaluate=True)
ZERO, TENTH = (kind_of(*PAIR, rmp=rmp, reevaluate=True) for rmp in (0, 0.1))
RANDOM = kind_of(*PAIR, random=True)
EVERYTHING = (ONE, TWO, ONE_AGAIN, TWO_AGAIN, PLAIN, BEST, ZERO, TENTH, RANDOM)


def of_both(*names):
    return [(name, data_set) for name in names for data_set in ("C-10", "C-100")]


def everything():
    networks = alike(*EVERYTHING)
    for kind, task, other in ((ONE, *reversed(PAIR)), (TWO, *PAIR)):
        networks[kind][task, other, 2] = LOW
    for kind in (ONE, BEST):
        networks[kind] |= dict.fromkeys(own(kind, 3), HIGH)
    return networks


CLAIMED = {
    "transfer": of_both("Multi+Reeval RMP 0.3 - RMP 0"),
    "other RMPs": of_both("Multi+Reeval RMP 0.1 - RMP 0"),
    "multi-tasking": of_both("Multi - Single", "Multi+Reeval - Single+Reeval"),
    "whole method": [
        *of_both("Multi+Reeval - Single"),
        ("Multi+Reeval - Single", "C-10"),
    ],
    "re-evaluation": [
        *of_both("Single+Reeval - Single"),
        *of_both("Multi+Reeval - Multi"),
    ],
    "number of tasks": [],
    "search": of_both("Multi - Random", "Multi+Reeval - Random"),
    "transfer learning": [
        (f"{method} - Single found on {other}", own_set)
        for method in ("Multi", "Multi+Reeval")
        for own_set, other in (("C-10", "C-100"), ("C-100", "C-10"))
    ],
    "depth": [
        ("Single N = 3 - N = 2", "C-10"),
        *of_both("Multi+Reeval N = 3 - N = 2"),
    ],
    "time": [],
}


@pytest.mark.parametrize("claim", CLAIMED)
def test_a_claim_is_answered_by_the_right_pairs_and_by_no_others(claim):
    (table,) = tables_by_hand(everything())
    assert sorted(rows_of(table, claim)) == sorted(CLAIMED[claim])
    assert {row.labels[0] for row in table.rows} <= set(CLAIMED)
    assert any(note.startswith(f"{claim}: ") for note in table.notes) == bool(CLAIMED[claim])


def test_three_arms_are_two_claims_of_a_test_for_each_data_set():
    networks = alike(BEST, values=HIGH) | alike(ZERO, RANDOM)
    (table,) = tables_by_hand(networks)
    assert [row.labels[0] for row in table.rows] == [*["transfer"] * 2, *["search"] * 2]
    first, second = (permutation_test(HIGH, LOW).p for _data_set in PAIR)
    for row in table.rows:
        assert numbers(row, table)["p"] == first
        assert numbers(row, table)["q"] == holm([first, second])[0]


def test_one_task_more_is_compared_with_every_part_that_lacks_it():
    a, b, c, d = "organamnist", "organcmnist", "organsmnist", "pathmnist"
    kinds = [kind_of(*tasks, reevaluate=True) for tasks in ((a, b), (b, c), (a, b, c))]
    kinds += [kind_of(a, b, c, d, reevaluate=True), kind_of(a, b, c, d, random=True)]
    (table,) = tables_by_hand(alike(*kinds))
    three = "Organ_A+Organ_C+Organ_S"
    contained = {
        "Organ_A+Organ_C": ("Organ_A", "Organ_C"),
        "Organ_C+Organ_S": ("Organ_C", "Organ_S"),
    }
    expected = {
        *((f"{three} - {pair}", data_set) for pair, both in contained.items() for data_set in both),
        *((f"{three}+Path - {three}", data_set) for data_set in three.split("+")),
    }
    found = rows_of(table, "number of tasks")
    assert {(name.removeprefix("Multi+Reeval "), of) for name, of in found} == expected
    assert len(found) == len(expected)


def test_a_contrast_is_unpaired_unless_both_sides_come_from_the_same_searches():
    networks = alike(BEST, values=HIGH) | alike(ZERO, values=LOW[:4])
    networks[BEST] |= dict.fromkeys(own(BEST, 3), (12.0, 12.0, 14.5))
    (table,) = tables_by_hand(networks)
    for row in table.rows:
        found = numbers(row, table)
        if row.labels[0] == "transfer":
            a, b, paired = HIGH, LOW[:4], False
        else:
            a, b, paired = (12.0, 12.0, 14.5), HIGH[:3], True
        interval = difference_of_means(a, b, paired=paired)
        assert (found["difference"], found["low"], found["high"]) == (
            *(interval.value, interval.low, interval.high),
        )
        assert found["p"] == permutation_test(a, b, paired=paired).p
        assert (found["n"], found["n_minus"]) == (len(a), len(b))


def test_the_difference_worth_showing_is_the_papers_or_the_one_that_is_stated():
    networks = alike(BEST, values=HIGH) | alike(ZERO)
    by_paper, by_hand = (tables_by_hand(networks, stated=s)[0] for s in (None, 2.0))
    deviation = pooled_deviation(HIGH, LOW)
    for table, worths in ((by_paper, (0.45, 1.55)), (by_hand, (2.0, 2.0))):
        for row, worth in zip(table.rows, worths, strict=True):
            found = numbers(row, table)
            assert found["stated"] == worth
            assert found["seeds"] == seeds_to_show(worth, deviation, n_contrasts=2)


def test_networks_of_another_depth_are_held_against_what_the_paper_printed_of_its_own():
    shallow = alike(BEST, values=HIGH, n_normal=1) | alike(ZERO, n_normal=1)
    (table,) = tables_by_hand(shallow)
    assert [numbers(row, table)["stated"] for row in table.rows] == [0.45, 1.55]
    (table,) = tables_by_hand({BEST: dict.fromkeys([*own(BEST), *own(BEST, 3)], LOW)})
    assert [numbers(row, table)["stated"] for row in table.rows] == [0.31, 0.74]
    strangers = alike(kind_of("a", "b", reevaluate=True), kind_of("a", "b", rmp=0, reevaluate=True))
    (table,) = tables_by_hand(strangers)
    assert not {"stated", "seeds"} & {column.key for column in table.columns}
    assert not any("Stated" in note for note in table.notes)


def test_a_difference_that_no_plan_would_show_is_said_to_take_too_many_seeds():
    networks = alike(BEST, values=HIGH) | alike(ZERO)
    row = tables_by_hand(networks, stated=1e-3)[0].rows[0]
    assert row.cells[-1].missing == "> 1000"


def test_time_is_a_ratio_with_the_spread_of_both_sides():
    times = {BEST: (80.0, 82.0, 78.0), ONE: (50.0, 52.0, 47.0), TWO: (51.0, 49.0, 52.0)}
    (table,) = tables_by_hand({}, times)
    (row,) = table.rows
    summed = [a + b for a, b in zip(times[ONE], times[TWO], strict=True)]
    ratio, found = ratio_of_means(times[BEST], summed), numbers(row, table)
    ends = [100 * (end - 1) for end in (ratio.value, ratio.low, ratio.high)]
    assert row.labels == ("time", "Multi+Reeval - Single", "C-10+C-100", "", "")
    assert [found["difference"], found["low"], found["high"]] == pytest.approx(ends)
    # Table 5 printed -8.7 %.
    a, b = (np.array(group) / np.mean(group) for group in (times[BEST], summed))
    assert found["stated"] == -8.7
    assert found["seeds"] == seeds_to_show(math.log(1 - 0.087), pooled_deviation(a, b))


def test_times_of_zero_have_no_ratio_and_no_plan():
    (table,) = tables_by_hand({}, dict.fromkeys((BEST, ONE, TWO), (0.0, 0.0)))
    (row,) = table.rows
    assert not {"difference", "low", "high", "seeds"} & set(numbers(row, table))
    assert not [note for note in table.notes if "nan" in note]


def test_the_whole_method_is_held_against_the_numbers_of_table_3_not_those_of_table_5():
    (table,) = tables_by_hand(alike(BEST, values=HIGH) | alike(ONE, TWO))
    rows = [row for row in table.rows if row.labels[0] == "whole method"]
    assert [numbers(row, table)["stated"] for row in rows] == [0.49, 2.16]


def test_every_recipe_has_a_table_and_time_is_told_once():
    networks = alike(BEST, ZERO)
    times = {BEST: LOW, ONE: LOW, TWO: LOW}
    other = Recipe("long", "ours", 9, 8)
    parts = values_by_hand(networks, times) | values_by_hand(networks, recipe=other)
    tables = list(contrast_tables([(family_of([*networks, ONE, TWO]), parts)]))
    claims = [[row.labels[0] for row in table.rows] for table in tables]
    assert claims == [["transfer"] * 2 + ["time"], ["transfer"] * 2]
    assert [any("recipe quick" in note for note in t.notes) for t in tables] == [False, True]


def test_data_sets_that_were_never_searched_on_together_are_families_apart():
    others = [kind_of("a", "b", rmp=rmp, reevaluate=True) for rmp in (0.3, 0)]
    tables = tables_by_hand(alike(BEST, others[0], values=HIGH) | alike(ZERO, others[1]))
    assert [len(table.rows) for table in tables] == [2, 2]
    assert numbers(tables[0].rows[0], tables[0])["q"] == 2 * permutation_test(HIGH, LOW).p


def test_experiments_that_answer_no_claim_have_no_table():
    assert tables_by_hand(alike(BEST)) == []
    assert tables_by_hand({}) == []


def test_where_p_and_interval_disagree_the_report_says_so():
    (table,) = tables_by_hand(alike(BEST, values=HIGH) | alike(ZERO))
    assert not any("disagree" in note for note in table.notes)
    networks = alike(BEST)
    networks[BEST] |= dict.fromkeys(own(BEST, 3), HIGH)
    (table,) = tables_by_hand(networks)
    found = numbers(table.rows[0], table)
    # Five signs can be flipped in 32 ways only, so no p is lower.
    assert found["p"] == 2 / 32
    assert found["low"] > 0
    (note,) = (note for note in table.notes if "disagree" in note)
    assert "depth Multi+Reeval N = 3 - N = 2 C-10+C-100 C-10 (p 0.062, " in note


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (1, "p (at least 1.000) and q (at least 1.000) cannot be below 0.05; 5 on each side"),
        (3, "p (at least 0.100) and q (at least 0.200) cannot be below 0.05; 5 on each side"),
        (4, "difference q (at least 0.057) cannot be below 0.05; 5 on each side"),
        (5, None),
    ],
)
def test_where_seeds_are_too_few_for_any_star_the_report_says_so(n, said):
    (table,) = tables_by_hand(alike(BEST, values=HIGH[:n]) | alike(ZERO, values=LOW[:n]))
    notes = [note for note in table.notes if "too few" in note]
    assert len(notes) == (said is not None)
    assert said is None or said in notes[0]
    assert ("p" in numbers(table.rows[0], table)) == (n > 1)


def test_a_diverged_seed_is_in_no_contrast():
    networks = alike(BEST, values=HIGH) | alike(ZERO)
    parts = values_by_hand(networks)
    parts[BEST, "cifar10", "cifar10", 2, QUICK, "accuracy"].diverged.add(1)
    (table,) = contrast_tables([(family_of(networks), parts)])
    assert [numbers(row, table)["n"] for row in table.rows] == [4, 5]


@pytest.mark.parametrize("as_text", [as_markdown, as_latex, as_csv])
def test_every_format_has_the_contrasts(as_text):
    tables = tables_by_hand(alike(BEST, values=HIGH) | alike(ZERO))
    text = as_text(tables)
    assert "Multi+Reeval RMP 0.3 - RMP 0" in text.replace("\\", "")
    shown = numbers(tables[0].rows[0], tables[0])
    assert (f"{shown['low']:.2f}" if as_text is not as_csv else str(shown["low"])) in text


def test_json_has_each_number_of_a_contrast_and_nothing_of_what_it_has_not():
    (table,) = tables_by_hand(alike(BEST, values=HIGH) | alike(RANDOM))
    cells = table_values(table)["rows"][0]["cells"]
    assert set(cells) == {"difference", "low", "high", "p", "q", "n", "n_minus"}
    assert cells["difference"] == {"mean": pytest.approx(np.mean(HIGH) - np.mean(LOW))}
    assert "NaN" not in as_json(table_values(table))


def test_the_marks_of_the_forest_plot_stand_where_the_numbers_say():
    times = {BEST: (80.0, 82.0, 78.0), ONE: (50.0, 52.0, 47.0), TWO: (51.0, 49.0, 52.0)}
    (table,) = tables_by_hand(alike(BEST, values=HIGH) | alike(ZERO, PLAIN), times)
    with styled():
        plot = plot_contrasts(table)
        svg = as_svg(plot.figure)
    found = [numbers(row, table) for row in table.rows]
    drawn, ends, filled = [], [], []
    for axes in plot.figure.axes:
        intervals, marks = axes.collections
        drawn += list(marks.get_offsets()[:, 0])
        ends += [tuple(segment[:, 0]) for segment in intervals.get_segments()]
        filled += [tuple(colour[:3]) != (1, 1, 1) for colour in marks.get_facecolors()]
        assert [segment[0, 1] for segment in intervals.get_segments()] == list(
            marks.get_offsets()[:, 1]
        )
    assert drawn == [each["difference"] for each in found]
    assert ends == [(each["low"], each["high"]) for each in found]
    assert filled == [each["q"] < 0.05 for each in found]
    assert len(plot.figure.axes) == 2
    for row in table.rows:
        assert row.labels[1] in re.sub(r"<[^>]+>", "", svg)


@pytest.mark.slow
def test_of_reports_without_any_effect_one_in_twenty_finds_one_in_a_claim_at_most():
    rng = np.random.default_rng(1)
    tasks = ("a", "b")
    kinds = [kind_of(*tasks, rmp=rmp, reevaluate=True) for rmp in (0.3, 0)]
    kinds.append(kind_of(*tasks, random=True))
    n_reports = 300
    hits = dict.fromkeys(("transfer", "search"), 0)
    for _report in range(n_reports):
        networks = {kind: {of: rng.normal(size=5) for of in own(kind)} for kind in kinds}
        (table,) = tables_by_hand(networks)
        for claim in hits:
            q = [numbers(r, table)["q"] for r in table.rows if r.labels[0] == claim]
            hits[claim] += min(q) < 0.05
    # Two tests of 252 splits each: 12 / 252 at most, and 2.6 standard deviations.
    assert all(0.01 < n / n_reports < 0.048 + 2.6 * 0.0123 for n in hits.values())
