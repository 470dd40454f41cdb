import re

from emtnas_hpc.report.render import as_markdown


def cells(line):
    return re.split(r"(?<!\\)\|", line)[1:-1]


def test_the_combinations_are_as_they_were(combinations, check_golden):
    check_golden("report-table2.md", as_markdown(combinations))


def test_the_ablation_is_as_it_was(four_rows, check_golden):
    check_golden("report-table5.md", as_markdown(four_rows))


def test_a_study_of_ones_own_is_as_it_was(own_study, check_golden):
    check_golden("report-own.md", as_markdown(own_study))


def test_every_line_of_a_table_has_as_many_cells(nasty):
    lines = [line for line in as_markdown([nasty]).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 3
    assert {len(cells(line)) for line in lines} == {2 + 4}


def test_the_best_is_bold_and_stars_are_stars(nasty):
    assert r"| **92.00 ±0.71 (2)**\* | 90.0 ±1.5 | 89.1 |" in as_markdown([nasty])


def test_names_mean_nothing_but_themselves(nasty):
    text = as_markdown([nasty])
    assert r"a\_b 50% \#1 $x^2$ \{z\} \~ \\ & \| \< \> " in text
    assert "\n|" in text


def test_nothing_is_nothing():
    assert as_markdown([]) == ""
