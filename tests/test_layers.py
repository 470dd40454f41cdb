"""The architecture as a table; an import that is not in it fails the build."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "emtnas_hpc"

#: What each part may import of ours: whole parts, or single files of one. Every part may import
#: errors and the package's version.
LAYERS = {
    "errors": set(),
    "space": set(),
    "checkpoint": set(),
    # One file of a run directory: experiment.toml.
    "settings": {"checkpoint/os_errors", "checkpoint/paths"},
    "evolution": {"space"},
    "supernet": {"space"},
    "plain": set(),
    "runner": {"checkpoint"},
    "data": {"settings", "space", "checkpoint"},
    "report": {
        *("search/history", "search/history_file", "search/history_arrays", "retraining/record"),
        *("progress", "runner", "evolution", "space", "checkpoint", "settings"),
    },
    # How far a stage is: from its manifest, and of old ones from its record.
    "progress": {
        *("search/history_file", "retraining/record", "checkpoint", "settings"),
    },
    "search": {
        *("runner", "evolution", "space", "supernet", "data", "checkpoint", "settings"),
    },
    "retraining": {
        *("search", "runner", "evolution", "space", "supernet", "data", "checkpoint", "settings"),
    },
    "pipeline": {
        *("progress", "retraining", "search", "runner", "data", "space", "checkpoint"),
        *("settings",),
    },
    "export": {"plain", "retraining", "search", "supernet", "space", "checkpoint", "settings"},
    "api": {
        *("export", "pipeline", "retraining", "search", "runner", "data", "evolution", "space"),
        *("checkpoint", "settings"),
    },
    "slurm": {
        *("progress", "pipeline", "search", "runner", "data", "checkpoint", "settings"),
    },
    # The former name of slurm, in jobs that were queued under it.
    "cluster": {"slurm"},
    "cli": {
        *("slurm", "export", "pipeline", "progress", "retraining", "search", "report", "runner"),
        *("data", "evolution", "space", "checkpoint", "settings"),
    },
    # By name only, and when asked for.
    "__init__": {"api", "search/history_arrays", "space"},
    "__main__": {"cli"},
}

#: The only places of each slow or special library, at any depth of a module.
HOMES = {
    "torch": {
        *("plain.py", "supernet", "data/batches.py", "search", "export/networks.py", "api.py"),
        *("retraining/spec.py", "retraining/trainer.py", "retraining/loaders.py"),
    },
    "PIL": {"data/pictures.py", "report/figures.py"},
    "torchvision": {"data/official.py"},
    "medmnist": {"data/official.py", "retraining/trainer.py"},
    "sklearn": {"data/official.py"},
    "mlxtend": {"data/official.py"},
    "h5py": {"search/history_file.py"},
    "matplotlib": {"report/figures.py", "report/comparisons.py"},
    "pandas": {
        *("report/measurements.py", "report/tables.py", "report/search_frames.py"),
        *("report/figures.py", "report/comparisons.py"),
    },
    "jinja2": {"report/page.py"},
    "typer": {"cli"},
    "rich": {"cli"},
    "pydantic": {"settings", "data/manifest.py", "slurm/profile.py", "slurm/job_files.py"},
    "submitit": {"slurm/submit.py", "slurm/job.py"},
}
PURE = {"space", "evolution", "checkpoint", "runner"}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def is_below(module: Path, home: str) -> bool:
    relative = str(module.relative_to(PACKAGE))
    return relative == home or relative.startswith(f"{home}/")


def part_of(module: Path) -> str:
    relative = module.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


@cache
def imports(module: Path):
    return tuple(_imports(module))


def _imports(module: Path):
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative imports hide the layer"
            yield node.module
            if node.module == "emtnas_hpc":
                yield from (f"emtnas_hpc.{alias.name}" for alias in node.names)


def test_a_part_that_is_imported_by_name_is_seen(tmp_path):
    module = tmp_path / "module.py"
    module.write_text("from emtnas_hpc import search")
    assert "emtnas_hpc.search" in set(imports(module))


def test_every_part_is_in_the_table():
    assert {part_of(module) for module in modules()} == set(LAYERS)


def test_every_part_that_the_tables_name_is_there():
    named = set().union(PURE, *LAYERS.values())
    assert {name.split("/")[0] for name in named} <= set(LAYERS)
    assert all(is_there(f"emtnas_hpc/{name}.py") for name in named if "/" in name)


def test_every_home_holds_its_library():
    for library, homes in HOMES.items():
        for home in homes:
            within = [module for module in modules() if is_below(module, home)]
            assert within, f"{home} is not there; {library} lives elsewhere"
            names = {name.split(".")[0] for module in within for name in imports(module)}
            assert library in names, f"nothing in {home} imports {library}"


@pytest.mark.parametrize("part", LAYERS)
def test_imports_go_downwards_only(part):
    allowed = LAYERS[part] | {part, "errors"}
    for module in modules():
        if part_of(module) != part:
            continue
        for name in imports(module):
            if name.startswith("emtnas_hpc."):
                above = "/".join(name.split(".")[1:3])
                assert {above, above.split("/")[0]} & allowed, f"{module}: {name}"


@pytest.mark.parametrize("library", HOMES)
def test_libraries_live_in_their_homes(library):
    for module in modules():
        if any(is_below(module, home) for home in HOMES[library]):
            continue
        assert library not in {name.split(".")[0] for name in imports(module)}, module


@pytest.mark.parametrize("part", sorted(PURE))
def test_the_pure_parts_use_the_standard_library_and_numpy_only(part):
    allowed = {*sys.stdlib_module_names, "emtnas_hpc"}
    if part in ("space", "evolution"):
        allowed.add("numpy")
    for module in modules():
        if part_of(module) == part:
            assert {name.split(".")[0] for name in imports(module)} <= allowed, module


#: Of a package, every module.
WITHOUT_TORCH = (
    *("space", "evolution", "checkpoint", "settings", "runner", "report", "slurm", "cluster"),
    *("data", "pipeline", "api", "cli", "search", "retraining", "export"),
)
#: Homes of torch, within one of these.
WITH_TORCH = {
    *("data/batches.py", "search/trainer.py", "export/networks.py"),
    *("retraining/loaders.py", "retraining/trainer.py"),
}


def modules_of(name: str) -> list[str]:
    """The dotted names of a module, or of all modules of a package."""
    path = PACKAGE / name.replace(".", "/")
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    below = [file.relative_to(PACKAGE) for file in files]
    return [
        ".".join(("emtnas_hpc", *file.with_suffix("").parts)).removesuffix(".__init__")
        for file in below
        if str(file) not in WITH_TORCH
    ]


#: Imports the modules of each part in a fork of its own, and prints whether torch came along.
IMPORTING = """
import importlib, json, os, sys
# What takes long and is not ours is imported once.
import h5py, matplotlib.figure, numpy, pydantic, rich.console, submitit, typer
assert "torch" not in sys.modules
for part, names in json.load(sys.stdin).items():
    if not os.fork():
        code = 2
        try:
            for name in names:
                importlib.import_module(name)
            code = int("torch" in sys.modules)
        finally:
            os._exit(code)
    print(part, os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


@pytest.fixture(scope="module")
def importing():
    """By part 0, or 1 if importing it imports torch."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING],
        input=json.dumps({part: modules_of(part) for part in WITHOUT_TORCH}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {part: int(code) for part, code in map(str.split, done.stdout.splitlines())}


@pytest.mark.slow
@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_torch_is_not_imported_by(name, importing):
    assert modules_of(name)
    assert importing[name] == 0


def is_there(pattern: str) -> bool:
    """Whether there is such a file, or Python within such a folder: caches outlive a move."""
    return any(path.is_file() or any(path.rglob("*.py")) for path in ROOT.glob(pattern))


def test_every_module_that_is_tried_with_torch_or_without_is_there():
    for name in WITHOUT_TORCH:
        path = f"emtnas_hpc/{name.replace('.', '/')}"
        assert is_there(path) or is_there(f"{path}.py"), name
    assert all((PACKAGE / file).is_file() for file in WITH_TORCH)


def test_every_path_that_the_linter_and_the_types_name_is_there():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    ruff = tools["ruff"]
    paths = [*ruff["lint"]["per-file-ignores"], *ruff["extend-include"], *tools["mypy"]["files"]]
    paths += tools["mypy"]["mypy_path"]
    assert [path for path in paths if not is_there(path)] == []
    named = [name for each in tools["mypy"]["overrides"] for name in each["module"]]
    ours = [name.replace(".", "/") for name in named if name.startswith("emtnas_hpc")]
    assert ours
    assert [name for name in ours if not (ROOT / f"{name}.py").is_file()] == []


def test_every_path_whose_coverage_is_held_has_modules():
    command = (ROOT / "tools/test").read_text(encoding="utf-8")
    paths = [path for some in re.findall(r"--include='(.+?)'", command) for path in some.split(",")]
    assert paths
    assert [path for path in paths if not is_there(path)] == []


def test_no_module_outgrows_four_hundred_and_fifty_lines():
    for module in modules():
        assert len(module.read_text().splitlines()) <= 450, module
