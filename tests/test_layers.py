"""The architecture as a table; an import that is not in it fails the build."""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "emtnas_hpc"

#: What each part may import of ours. Every part may import errors and the package's version.
LAYERS = {
    "errors": set(),
    "space": set(),
    "store": set(),
    "experiment": set(),
    "evolution": {"space"},
    "pictures": set(),
    "supernet": {"space"},
    "runner": {"store"},
    "data": {"pictures", "experiment", "space", "store"},
    "history": {"evolution", "space"},
    "report": {"history", "space", "runner", "store", "experiment"},
    "search": {
        "runner",
        "evolution",
        "space",
        "supernet",
        "data",
        "history",
        "store",
        "experiment",
    },
    "retraining": {
        "pictures",
        "runner",
        "evolution",
        "space",
        "supernet",
        "data",
        "history",
        "store",
        "experiment",
    },
    "agenda": {
        "data",
        "retraining",
        "search",
        "runner",
        "space",
        "history",
        "store",
        "experiment",
    },
    "export": {"retraining", "supernet", "history", "experiment", "space", "store"},
    "notebook": {
        "export",
        "agenda",
        "retraining",
        "search",
        "runner",
        "data",
        "history",
        "evolution",
        "space",
        "store",
        "experiment",
    },
    "cluster": {
        "agenda",
        "search",
        "runner",
        "data",
        "history",
        "store",
        "experiment",
    },
    "cli": {
        "export",
        "cluster",
        "agenda",
        "retraining",
        "search",
        "report",
        "runner",
        "data",
        "history",
        "evolution",
        "space",
        "store",
        "experiment",
    },
    # By name only, and when asked for.
    "__init__": {"notebook", "space"},
    "__main__": {"cli"},
}

#: The only places of each slow or special library, at any depth of a module.
HOMES = {
    "torch": {
        *("supernet", "data/batches.py", "search"),
        *("retraining/plan.py", "retraining/trainer.py", "retraining/testing.py"),
        "retraining/images.py",
        *("export/plain", "export/exporting.py", "notebook/run.py", "notebook/networks.py"),
    },
    "PIL": {"pictures/opening.py", "pictures/decoding.py"},
    "torchvision": {"data/sources/torchvision_sets.py"},
    "medmnist": {"data/sources/medmnist_sets.py", "retraining/auc.py"},
    "sklearn": {"data/sources/package_sets.py"},
    "mlxtend": {"data/sources/package_sets.py"},
    "h5py": {"history"},
    "matplotlib": {"report/figures"},
    "jinja2": {"report/page"},
    "typer": {"cli"},
    "rich": {"cli"},
    "pydantic": {"experiment", "data/manifest.py", "cluster/profile.py", "cluster/request.py"},
    "submitit": {"cluster/script.py", "cluster/submission.py", "cluster/job.py"},
}
PURE = {"space", "evolution", "store", "runner"}


def modules():
    return sorted(PACKAGE.rglob("*.py"))


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


@pytest.mark.parametrize("part", LAYERS)
def test_imports_go_downwards_only(part):
    allowed = LAYERS[part] | {part, "errors"}
    for module in modules():
        if part_of(module) != part:
            continue
        for name in imports(module):
            if name.startswith("emtnas_hpc."):
                assert name.split(".")[1] in allowed, f"{module}: {name}"


@pytest.mark.parametrize("library", HOMES)
def test_libraries_live_in_their_homes(library):
    for module in modules():
        relative = str(module.relative_to(PACKAGE))
        if any(relative == home or relative.startswith(f"{home}/") for home in HOMES[library]):
            continue
        assert library not in {name.split(".")[0] for name in imports(module)}, relative


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
    *("space", "evolution", "cluster", "store", "runner", "history", "report", "pictures"),
    *("data", "cli.app", "cli.running", "cli.tables", "cli.inspecting", "search.session"),
    *("cli.launching", "cli.named_experiment", "cli.resuming", "cli.launch_view"),
    *("agenda.session", "agenda.remaining", "agenda.transfers", "agenda.verification"),
    *("retraining.plan", "cli.retrain_order", "cli.retraining", "cli.export_order"),
    *("cli.exporting", "notebook.run", "notebook.networks", "notebook.retraining"),
)
#: Home of torch, within one of these.
WITH_TORCH = {"data/batches.py"}


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


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_torch_is_not_imported_by(name, importing):
    assert len(modules_of(name)) > 1 or "." in name
    assert importing[name] == 0


def test_no_module_outgrows_four_hundred_and_fifty_lines():
    for module in modules():
        assert len(module.read_text().splitlines()) <= 450, module
