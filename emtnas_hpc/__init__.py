"""Evolutionary multi-tasking neural architecture search that survives preemption, bit for bit.

What a notebook needs is here by name, and imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emtnas_hpc.notebook.arrays import Generations, Individuals, SearchHistory
    from emtnas_hpc.notebook.networks import build_network
    from emtnas_hpc.notebook.retraining import retrain
    from emtnas_hpc.notebook.run import Incumbent, Run, RunRetraining, load_run
    from emtnas_hpc.space.architecture import Architecture
    from emtnas_hpc.space.genotype import format_genotype, parse_genotype

__version__ = "0.1.0"

__all__ = [
    "Architecture",
    "Generations",
    "Incumbent",
    "Individuals",
    "Run",
    "RunRetraining",
    "SearchHistory",
    "build_network",
    "format_genotype",
    "load_run",
    "parse_genotype",
    "retrain",
]

_HOMES = {
    "notebook.arrays": ("Generations", "Individuals", "SearchHistory"),
    "notebook.networks": ("build_network",),
    "notebook.retraining": ("retrain",),
    "notebook.run": ("Incumbent", "Run", "RunRetraining", "load_run"),
    "space.architecture": ("Architecture",),
    "space.genotype": ("format_genotype", "parse_genotype"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
