"""What the documents say exists."""

import re
from pathlib import Path

import pytest
import typer.main

from emtnas_hpc.cli import console
from emtnas_hpc.cli.app import VERBS, app, load_command
from emtnas_hpc.settings.presets import preset_names, study_names

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


def test_the_readme_has_no_blanks_left():
    assert "@@" not in (ROOT / "README.md").read_text()


def test_commands_and_presets_of_the_readme_exist():
    lines = re.findall(r"emtnas-hpc ([a-z]+)(?: ([a-z0-9-]+))?", (ROOT / "README.md").read_text())
    assert {command for command, _preset in lines} == set(VERBS)
    presets = {preset for command, preset in lines if command in ("run", "prepare") and preset}
    assert presets
    assert presets <= {*preset_names(), *study_names()}


def test_tools_of_the_readme_exist():
    tools = set(re.findall(r"`?(tools/[a-z-]+)", (ROOT / "README.md").read_text()))
    assert len(tools) >= 4
    for tool in tools:
        assert (ROOT / tool).is_file(), tool


def test_options_of_the_readme_exist():
    commands = [typer.main.get_command(app), *map(load_command, VERBS)]
    known = {name for command in commands for p in command.params for name in p.opts} | {"--help"}
    text = (ROOT / "README.md").read_text()
    written = re.findall(r"emtnas-hpc [^#\n]*|`--[^`]*`", text)
    named = set(re.findall(r"--[a-z][a-z-]*", " ".join(written)))
    assert named
    assert named <= known


def test_exit_codes_of_the_readme_are_those_of_the_program():
    rows = re.findall(r"^\| (\d+) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [int(code) for code in rows] == sorted(console.MEANINGS)
