"""The exported module is code that a person reads."""

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from exported_networks import SPECIAL, drawn, shape_of, spec_of

import emtnas_hpc.plain
from emtnas_hpc.export.files import module_source
from emtnas_hpc.export.spec import Normalisation
from emtnas_hpc.space.architecture import NetworkShape, parse_genotype

ARCHITECTURES = [*map(drawn, range(20)), *SPECIAL.values()]
LINTED = "E,F,W,I,B,UP,C4,SIM,PIE,RET,N,D1,D4"


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """A folder with a module of every kind."""
    folder = tmp_path_factory.mktemp("modules")
    for number, architecture in enumerate(ARCHITECTURES):
        spec = spec_of(architecture, shape_of(number), trained=number % 4 > 0)
        (folder / f"network_{number}.py").write_text(module_source(spec), encoding="utf-8")
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


def test_its_classes_are_the_text_of_plain_and_it_ends_with_them():
    plain = Path(emtnas_hpc.plain.__file__).read_text(encoding="utf-8")
    classes = plain[plain.index("class Network") :]
    for number, architecture in enumerate(ARCHITECTURES):
        assert module_source(spec_of(architecture, shape_of(number))).endswith(f"\n\n\n{classes}")


def test_its_architecture_is_written_block_by_block():
    source = module_source(spec_of(SPECIAL["every operation"], shape_of(0)))
    block = '    (("sep_3x3", "x"), ("dil_1x1", "x_prev")),\n'
    assert f"REDUCTION: Blocks = (\n{block}" in source
    assert f"NORMAL: Blocks = (\n{block}" in source


def test_its_genotype_can_be_copied_out_of_its_first_lines():
    for architecture in ARCHITECTURES:
        text = ast.get_docstring(ast.parse(module_source(spec_of(architecture, shape_of(0)))))
        genotype = text.partition("genotype")[2].partition("\n\n")[0]
        assert parse_genotype(" ".join(genotype.split())) == architecture


@pytest.mark.parametrize("text", ['"""', 'ends in "', "back\\slash", "\\", "é and\nlines"])
def test_free_text_cannot_end_its_first_lines(text):
    spec = spec_of(drawn(0), shape_of(0))
    source = module_source(replace(spec, facts=(("recipe", text),)))
    said = ast.get_docstring(ast.parse(source))
    assert " ".join(text.replace('"""', "'''").split()) in said
    compile(source, "module", "exec")


def test_it_says_how_images_were_pooled_and_whether_it_was_trained():
    spec = spec_of(drawn(0), shape_of(0))
    pooled = Normalisation((0.5,) * 3, (0.5,) * 3, pool=2)
    source = module_source(replace(spec, normalisation=pooled, retrained=None))
    words = " ".join(source.split())
    assert "average-pooled by 2 before they were normalised. The network has not been" in words


def test_a_module_stays_as_it_is_remembered(check_golden):
    shape = NetworkShape(channels=8, n_normal=1, image_channels=1, image_size=8, n_classes=10)
    spec = spec_of(drawn(0), shape, "digits_n1_quick")
    check_golden("exported_module.py", module_source(spec))
