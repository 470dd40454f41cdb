import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run_here
from fake_runs import SHORT, Retrained, make_run

pytestmark = pytest.mark.slow

REPORT = """
import sys
from emtnas_hpc.cli.app import run_command_line
for wanted in ("screen", "markdown", "latex", "csv", "json"):
    assert run_command_line(["report", *sys.argv[1:], "--format", wanted]) == 0
    assert not {"torch", "matplotlib", "jinja2", "scipy"} & set(sys.modules), wanted
"""

#: `report`; prints which files of the runs, the first argument, Python opened or mapped.
WATCHED = """
import sys
runs = sys.argv[1]
opened = set()
def watch(name, given):
    if name in ("open", "os.open") and str(given[0]).startswith(runs):
        opened.add(str(given[0]))
sys.addaudithook(watch)
from emtnas_hpc.cli.app import run_command_line
code = run_command_line(["report", "--runs", runs, *sys.argv[2:]])
assert "torch" not in sys.modules
print(*sorted(opened), sep="\\n")
sys.exit(code)
"""
_WEIGHTS = 110_000_000


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for variable in ("EMTNAS_RUNS", "EMTNAS_DATA", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def one_run(tmp_path):
    return make_run(tmp_path / "runs", "cifar", SHORT).parents[1]


def test_the_screen_has_the_tables_and_then_the_searches(medical, check_golden):
    result = run_here("report", "--runs", medical)
    assert (result.code, result.err) == (0, "")
    check_golden("report-screen.txt", result.out)


def test_a_table_that_is_asked_for_comes_alone(ablation):
    out = run_here("report", "--runs", ablation, "--table", "6").out
    assert out.startswith("Table 6 of the paper. ")
    assert "sampled %" not in out


def test_several_tables_can_be_asked_for(one_run):
    out = run_here("report", "--runs", one_run, "--table", 4, "--table", 2, "--format", "csv").out
    tables = {line["table"] for line in csv.DictReader(out.splitlines())}
    assert tables == {"table2", "table4"}


@pytest.mark.parametrize(
    ("name", "begin"),
    [("markdown", "## Table 3"), ("latex", "% Needs"), ("csv", "table,row"), ("json", "{")],
)
def test_each_format_is_printed_and_is_the_same_text_in_a_file(one_run, tmp_path, name, begin):
    printed = run_here("report", "--runs", one_run, "--format", name)
    assert printed.code == 0
    assert printed.out.startswith(begin)
    output = tmp_path / "out/deep"
    written = run_here("report", "--runs", one_run, "--format", name, "--output", output)
    file, *others = written.out.splitlines()
    assert set(output.iterdir()) == {Path(file), *map(Path, others)}
    assert [Path(other).name for other in others] == ["searches.csv"] * (name == "csv")
    assert Path(file).read_text(encoding="utf-8") == printed.out


def test_json_has_tables_searches_retrainings_and_problems(one_run):
    values = json.loads(run_here("report", "--runs", one_run, "--json").out)
    assert set(values) == {"tables", "experiments", "seeds", "retrainings", "problems"}
    (first, _second) = values["retrainings"]
    assert first["header"]["task"] == "cifar10"
    assert (first["epoch"], set(first["test"]) >= {"accuracy", "auc"}) == (2, True)
    assert values["seeds"][0]["tasks"][0]["task"] == "cifar10"


def test_the_text_formats_need_neither_torch_nor_what_draws(one_run, tmp_path):
    command = [sys.executable, "-c", REPORT, "--runs", str(one_run)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_damaged_run_is_named_and_the_others_are_reported(one_run):
    damaged = make_run(one_run, "cifar", SHORT, seed=1)
    for state in damaged.rglob("state.h5"):
        state.write_bytes(b"noise")
    result = run_here("report", "--runs", one_run, "--json")
    assert result.code == 0
    assert result.err.startswith(f"skipped {damaged}: no commit has a good state.h5; ")
    values = json.loads(result.out)
    assert [seed["seed"] for seed in values["seeds"]] == [0]
    assert len(values["problems"]) == 1


def test_all_files_are_made_without_a_look_at_weights_and_without_torch(tmp_path):
    runs, output = tmp_path / "runs", tmp_path / "out"
    good = make_run(runs, "cifar10-single", SHORT, weights=_WEIGHTS)
    damaged = make_run(runs, "cifar10-single", SHORT, seed=1, weights=_WEIGHTS)
    for state in damaged.rglob("state.h5"):
        state.write_bytes(state.read_bytes()[:-1])
    weights = list(runs.rglob("*.pt"))
    assert {file.stat().st_size for file in weights} == {_WEIGHTS}
    command = [sys.executable, "-c", WATCHED, str(runs), "--output", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    assert done.stderr.startswith(f"skipped {damaged}: no commit has a good state.h5; ")
    opened = [line for line in done.stdout.splitlines() if line.startswith(str(runs))]
    assert any(name.endswith(("state.h5", "manifest.json")) for name in opened)
    assert [name for name in opened if name.endswith(".pt")] == []
    page = (output / "report.html").read_text(encoding="utf-8")
    assert f"{damaged}: no commit has a good state.h5" in page
    assert "seed 0 (n = 1)" in page
    assert str(good) not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--table", 7), "--table is 7, expected one of 2, 3, 4, 5, 6"),
        (
            ("--format", "pdf"),
            "--format is 'pdf', expected one of screen, markdown, latex, csv, json, html",
        ),
        (
            ("--format", "csv", "--json"),
            "--json and --format csv contradict each other; give one of them",
        ),
        (
            ("--format", "screen", "--output", "x"),
            "--output takes files, --format screen is none; expected markdown, latex, csv, json, "
            "html",
        ),
    ],
)
def test_what_cannot_be_made_is_bad_input(one_run, arguments, message):
    result = run_here("report", "--runs", one_run, *arguments)
    assert (result.code, result.out, result.err) == (2, "", f"error: {message}\n")


def test_without_a_format_every_file_is_written_and_the_page_with_its_figures(one_run, tmp_path):
    output = tmp_path / "out"
    result = run_here("report", "--runs", one_run, "--output", output)
    assert (result.code, result.err) == (0, "")
    names = {file.name for file in output.iterdir()}
    assert names == {f"report.{suffix}" for suffix in ("md", "tex", "csv", "json", "html")} | {
        "figures",
        "searches.csv",
    }
    files = {str(file) for file in output.rglob("*") if file.is_file()}
    assert set(result.out.splitlines()) == files
    page = run_here("report", "--runs", one_run, "--format", "html").out
    assert page.lower().startswith("<!doctype html>")


def test_a_place_where_nothing_can_be_written_is_bad_input(one_run, tmp_path):
    (tmp_path / "file").write_text("")
    output = tmp_path / "file/out"
    result = run_here("report", "--runs", one_run, "--format", "csv", "--output", output)
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        f"error: --output is '{output}', which cannot be used (Not a directory); expected a "
        "directory, there or still to be made\n"
    )


def test_a_run_that_is_under_way_is_reported_too(tmp_path):
    make_run(tmp_path, "cifar", SHORT, until=2, retrained=None)
    result = run_here("report", "--runs", tmp_path)
    assert result.code == 0
    assert result.out.startswith(
        "cifar: seed 0 (n = 1), seed 0 not finished; supernet, batch norm recalibrated\n"
    )


def test_retrainings_alone_are_reported(tmp_path):
    directory = make_run(tmp_path, "quickstart", SHORT, retrained=Retrained((1,)))
    for file in sorted((directory / "search").rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    result = run_here("report", "--runs", tmp_path)
    assert result.code == 0
    assert result.out.startswith("Other experiments\n")
    assert "sampled %" not in result.out


def test_a_wide_table_comes_in_parts_that_fit_the_terminal(ablation, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    out = run_here("report", "--runs", ablation, "--table", 5).out
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in out
    headings = [line for line in lines if line.startswith("Index ")]
    assert len(headings) > 2
    # Nothing is broken within a cell, and every part names its rows.
    assert out.count("96.73 ±0.15") == 1
    assert sum(line.startswith("4 ") for line in lines) == len(headings)


@pytest.mark.parametrize("verb", ["status", "launch", "inspect", "run", "retrain", "export"])
def test_only_a_report_imports_pandas(verb):
    code = f"import sys, emtnas_hpc.cli.{verb}; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_any_two_experiments_can_be_contrasted_and_nothing_else_is_told(ablation):
    result = run_here("report", "--runs", ablation, "--contrast", "cifar", "again", "--json")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "error: --contrast is 'again', which is in the names of 2 experiments; there are: "
        "cifar10-single-again, cifar100-single-again\n"
    )
    two = ("--contrast", "cifar", "r10-single-again")
    values = json.loads(run_here("report", "--runs", ablation, *two, "--json").out)
    (table,) = values["tables"]
    assert "A - B: cifar minus cifar10-single-again." in table["notes"]
    assert (values["experiments"], values["seeds"]) == ([], [])
    names = {retraining["header"]["experiment"] for retraining in values["retrainings"]}
    assert names == {"cifar", "cifar10-single-again"}
    (row,) = table["rows"]
    assert row["labels"] == ["A - B", "Multi+Reeval - Single+Reeval", "C-10+C-100", "C-10", "2"]
    assert (row["cells"]["n"]["mean"], row["cells"]["n_minus"]["mean"]) == (5, 2)
    stated = run_here("report", "--runs", ablation, *two, "--difference", "2")
    assert stated.out.startswith("Contrast of two\n")
    assert " +2.00 " in stated.out
    assert "sampled %" not in stated.out


@pytest.mark.parametrize(
    ("arguments", "begin"),
    [
        (
            ("--contrast", "cifar", "x"),
            "error: --contrast is 'x', which is in no experiment's name; there are: cifar, cifar10",
        ),
        (("--contrast", "plain", "lain"), "error: --contrast is plain twice, expected two exp"),
        (
            ("--contrast", "cifar10-single", "cifar100-single-again"),
            "error: cifar10-single and cifar100-single-again have no retrained networks of one",
        ),
        (("--contrast", "plain", "cifar", "--table", "3"), "error: --contrast and --table are gi"),
        (
            ("--difference", "0"),
            "error: --difference is 0, expected a finite number of points, not 0",
        ),
    ],
)
def test_what_cannot_be_contrasted_is_said_in_one_line(ablation, arguments, begin):
    result = run_here("report", "--runs", ablation, *arguments)
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.startswith(begin)


def test_a_folder_of_figures_that_is_a_file_is_named_with_what_to_do(one_run, tmp_path):
    output = tmp_path / "out"
    output.mkdir()
    (output / "figures").write_text("")
    result = run_here("report", "--runs", one_run, "--format", "html", "--output", output)
    assert result.code == 1
    assert result.err.endswith("; choose another --output\n")


def test_the_page_of_a_table_that_is_asked_for_has_that_alone(one_run):
    page = run_here("report", "--runs", one_run, "--table", 3, "--format", "html").out
    assert re.findall(r'<section id="([^"]*)"', page) == ["table3", "provenance"]


def test_the_page_shows_contrasts_and_their_figure(ablation, tmp_path):
    output = tmp_path / "out"
    two = ("plain", "cifar100-single-again")
    command = ("report", *two, "--runs", ablation, "--contrast", *two, "--format", "html")
    assert run_here(*command, "--output", output).code == 0
    page = (output / "report.html").read_text(encoding="utf-8")
    assert re.findall(r'<section id="([^"]*)"', page) == ["contrasts", "provenance"]
    assert '<figure id="contrasts-forest">' in page
    names = {file.name for file in (output / "figures").iterdir()}
    assert names == {"contrasts-forest.svg", "captions.md"}
