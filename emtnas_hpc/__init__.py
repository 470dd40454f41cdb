"""Evolutionary multi-tasking neural architecture search that survives preemption, bit for bit.

What a notebook needs is here by name, and imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emtnas_hpc.api import Incumbent, Run, RunRetraining, build_network, load_run, retrain
    from emtnas_hpc.search.history_arrays import Generations, Individuals, SearchHistory
    from emtnas_hpc.space.architecture import Architecture, format_genotype, parse_genotype

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
    "api": ("Incumbent", "Run", "RunRetraining", "build_network", "load_run", "retrain"),
    "search.history_arrays": ("Generations", "Individuals", "SearchHistory"),
    "space.architecture": ("Architecture", "format_genotype", "parse_genotype"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
