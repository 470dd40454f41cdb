"""The exported module is code that a person reads."""

import ast
import subprocess
import sys
from dataclasses import replace

import pytest
from exported_networks import SPECIAL, drawn, shape_of, subject_of

from emtnas_hpc.export.sources import module_source
from emtnas_hpc.export.subjects import Normalisation
from emtnas_hpc.space.architecture import NetworkShape, parse_genotype

ARCHITECTURES = [*map(drawn, range(20)), *SPECIAL.values()]
LINTED = "E,F,W,I,B,UP,C4,SIM,PIE,RET,N,D1,D4"


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """A folder with a module of every kind."""
    folder = tmp_path_factory.mktemp("modules")
    for number, architecture in enumerate(ARCHITECTURES):
        subject = subject_of(architecture, shape_of(number))
        if number % 4 == 0:
            subject = replace(subject, normalisation=None, trained=False)
        (folder / f"network_{number}.py").write_text(module_source(subject), encoding="utf-8")
    return folder


def ruff(folder, *arguments):
    command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--line-length", "100"]
    return subprocess.run([*command, "."], cwd=folder, capture_output=True, text=True, check=False)


def test_it_is_formatted(modules):
    done = ruff(modules, "format", "--diff")
    assert done.returncode == 0, done.stdout


def test_it_has_nothing_to_complain_about(modules):
    ignored = "D105,D107,D401,D413,N812"
    done = ruff(modules, "check", "--select", LINTED, "--ignore", ignored)
    assert done.returncode == 0, done.stdout


def test_it_imports_torch_and_nothing_else(modules):
    for file in modules.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                assert [alias.name for alias in node.names] == ["torch"]
            if isinstance(node, ast.ImportFrom):
                assert node.module.partition(".")[0] == "torch"


def test_it_has_only_what_the_architecture_uses():
    source = module_source(subject_of(SPECIAL["nothing but identities"], shape_of(0)))
    for name in ("Separable", "Dilated", "max_3x3", "avg_3x3", "StridedStem"):
        assert name not in source
    source = module_source(subject_of(SPECIAL["every operation"], shape_of(4)))
    for name in ("class Separable", "class Dilated", "def max_3x3", "def avg_3x3", "class Strided"):
        assert name in source


def test_blocks_are_written_as_in_the_genotype():
    source = module_source(subject_of(SPECIAL["every operation"], shape_of(0)))
    assert "self.block0_b = Dilated(channels, kernel=1)  # dil_1x1(x_prev)" in source
    assert "block1 = self.block1_a(x) + max_3x3(x_prev)" in source
    assert "block3 = x + self.block3_b(block0)" in source


def test_an_operation_of_both_branches_is_one_module_that_runs_twice():
    source = module_source(subject_of(SPECIAL["both branches are one operation"], shape_of(0)))
    assert "block0 = self.block0_a(x) + self.block0_a(x)" in source
    assert "block0_b" not in source


def test_a_projection_that_nothing_reads_does_not_run():
    source = module_source(subject_of(SPECIAL["reduction cells ignore x_prev"], shape_of(0)))
    assert "self.project_x_prev = Projection" in source
    assert "self.project_x_prev(x_prev)" not in source


def test_its_genotype_can_be_copied_out_of_its_first_lines():
    for architecture in ARCHITECTURES:
        text = ast.get_docstring(ast.parse(module_source(subject_of(architecture, shape_of(0)))))
        genotype = text.partition("genotype")[2].partition("\n\n")[0]
        assert parse_genotype(" ".join(genotype.split())) == architecture


@pytest.mark.parametrize("text", ['"""', 'ends in "', "back\\slash", "\\", "é and\nlines"])
def test_free_text_cannot_end_its_first_lines(text):
    subject = subject_of(drawn(0), shape_of(0))
    source = module_source(replace(subject, facts=(("recipe", text),)))
    said = ast.get_docstring(ast.parse(source))
    assert " ".join(text.replace('"""', "'''").split()) in said
    compile(source, "module", "exec")


def test_it_says_how_images_were_pooled_and_whether_it_was_trained():
    subject = subject_of(drawn(0), shape_of(0))
    pooled = Normalisation((0.5,) * 3, (0.5,) * 3, pool=2)
    source = module_source(replace(subject, normalisation=pooled, trained=False))
    words = " ".join(source.split())
    assert "average-pooled by 2 before they were normalised. The network has not been" in words


def test_a_module_stays_as_it_is_remembered(check_golden):
    shape = NetworkShape(channels=8, n_normal=1, image_channels=1, image_size=8, n_classes=10)
    subject = subject_of(drawn(0), shape, "digits_n1_quick")
    check_golden("exported_module.py", module_source(subject))
