"""The architecture as a table; an import that is not in it fails the build."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "emtnas_hpc"

#: What each part may import of ours: whole parts, or single files of one. Every part may import
#: errors and the package's version.
LAYERS = {
    "errors": set(),
    "space": set(),
    "checkpoint": set(),
    "settings": set(),
    "evolution": {"space"},
    "supernet": {"space"},
    "runner": {"checkpoint"},
    "data": {"settings", "space", "checkpoint"},
    "report": {
        *("search/history", "search/history_file", "retraining/record"),
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
    "export": {"retraining", "search", "supernet", "space", "checkpoint", "settings"},
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
        *("supernet", "data/batches.py", "search", "export/plain.py", "export/files.py", "api.py"),
        *("retraining/spec.py", "retraining/trainer.py", "retraining/loaders.py"),
    },
    "PIL": {"data/pictures.py"},
    "torchvision": {"data/sources.py"},
    "medmnist": {"data/sources.py", "retraining/trainer.py"},
    "sklearn": {"data/sources.py"},
    "mlxtend": {"data/sources.py"},
    "h5py": {"search/history.py", "search/history_file.py"},
    "matplotlib": {"report/figures.py", "report/gallery.py"},
    "jinja2": {"report/page.py"},
    "typer": {"cli"},
    "rich": {"cli"},
    "pydantic": {"settings", "data/manifest.py", "slurm/profile.py", "slurm/jobs.py"},
    "submitit": {"slurm/submit.py", "slurm/job.py"},
}
PURE = {"space", "evolution", "checkpoint", "runner"}


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
                above = "/".join(name.split(".")[1:3])
                assert {above, above.split("/")[0]} & allowed, f"{module}: {name}"


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
    *("space", "evolution", "checkpoint", "settings", "runner", "report", "slurm", "cluster"),
    *("data", "pipeline", "api", "cli", "search", "retraining", "export"),
)
#: Homes of torch, within one of these.
WITH_TORCH = {
    *("data/batches.py", "search/device.py", "search/trainer.py", "export/plain.py"),
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


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_torch_is_not_imported_by(name):
    names = modules_of(name)
    assert names
    code = f"import sys, {', '.join(names)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_module_outgrows_four_hundred_and_fifty_lines():
    for module in modules():
        assert len(module.read_text().splitlines()) <= 450, module
