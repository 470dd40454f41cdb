import re
import shutil
import subprocess

import pytest

from emtnas_hpc.report.render import as_latex

DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs}
\usepackage{graphicx}
\begin{document}
%s
\end{document}
"""


def rows_of(text):
    """Every line of a table that ends in a row's end."""
    return [line for line in text.splitlines() if line.endswith(r"\\")]


def width(line):
    spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
    return len(re.split(r"(?<!\\)&", line)) + sum(spans) - len(spans)


def test_the_combinations_are_as_they_were(combinations, check_golden):
    check_golden("report-table2.tex", as_latex(combinations))


def test_a_study_of_ones_own_is_as_it_was(own_study, check_golden):
    check_golden("report-own.tex", as_latex(own_study))


@pytest.mark.parametrize("name", ["combinations", "four_rows", "own_study"])
def test_the_markup_is_whole(name, request):
    text = as_latex(request.getfixturevalue(name))
    begun = re.findall(r"\\begin\{(\w+\*?)\}", text)
    assert sorted(begun) == sorted(re.findall(r"\\end\{(\w+\*?)\}", text))
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    tabulars = re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.DOTALL)
    for columns, body in tabulars:
        assert {width(line) for line in rows_of(body)} == {len(columns)}
        assert [body.count(rule) for rule in (r"\toprule", r"\bottomrule")] == [1, 1]
    assert len(tabulars) == {"own_study": 3, "combinations": 3, "four_rows": 5}[name]


def test_names_full_of_markup_leave_the_markup_whole(nasty):
    text = as_latex([nasty])
    assert {width(line) for line in rows_of(text)} == {6}
    assert r"a\_b 50\% \#1 \$x\textasciicircum{}2\$ \{z\}" in text


def test_the_best_is_bold_and_stars_are_raised(nasty):
    ours = r"\textbf{92.00 $\pm$0.71}$^{*}$\,{\scriptsize(2)}"
    assert rf"{ours} & 90.0 $\pm$1.5 & 89.1" in as_latex([nasty])


def test_a_letter_that_has_no_glyph_is_a_question_mark(nasty):
    assert "é" in as_latex([nasty])
    assert "猫" not in as_latex([nasty])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex is installed here")
@pytest.mark.parametrize("name", ["combinations", "four_rows", "own_study", "nasty"])
def test_it_compiles(name, request, tmp_path):
    given = request.getfixturevalue(name)
    text = as_latex([given] if name == "nasty" else given)
    (tmp_path / "report.tex").write_text(DOCUMENT % text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "report.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "booktabs.sty' not found" in done.stdout:
        pytest.skip("this TeX has no booktabs")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "report.pdf").stat().st_size > 1000
