"""Are the retrainings of two runs equal, bit for bit."""

from collections.abc import Iterator

from emtnas_hpc.search.copies import copy_newest_common, folder_for_copies, is_owned
from emtnas_hpc.search.environment import prepare_environment
from emtnas_hpc.search.verification import Comparison
from emtnas_hpc.store.paths import RunPaths


def common_retrainings(a: RunPaths, b: RunPaths) -> list[str]:
    """The stages that both runs have a commit of the same step of."""
    names = [f"retraining/{s.directory.name}" for s in a.stages() if s != a.stage("search")]
    return [name for name in names if set(a.stage(name).steps()) & set(b.stage(name).steps())]


def compare_retrainings(a: RunPaths, b: RunPaths) -> Iterator[tuple[str, Comparison]]:
    """Compares the newest step of every retraining that both runs have committed.

    Raises:
        DamagedError: one of the commits is damaged.
    """
    for name in common_retrainings(a, b):
        with folder_for_copies() as folder:
            owned = (is_owned(a), is_owned(b))
            copies = copy_newest_common(a.stage(name), b.stage(name), folder, owned=owned)
            prepare_environment()
            from emtnas_hpc.retraining.comparison import retraining_differences

            difference = next(retraining_differences(*(c.directory for c in copies)), None)
        yield name, Comparison(copies[0].step, difference)
