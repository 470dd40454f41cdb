"""Which profile holds, and where those to copy are."""

from collections.abc import Sequence
from pathlib import Path

from emtnas_hpc.cluster.doctor.finding import Finding, fine

_EXAMPLES: Sequence[str] = ("example-2080ti.toml", "run-by-hand.sbatch")


def check_profile(source: str, shipped: Path) -> Finding:
    """Tells what jobs go by.

    Args:
        source: the profile that holds, empty for the shipped default.
        shipped: the folder of what is shipped: nobody else tells an installed package's.
    """
    holds = f"{source} holds" if source else "no profile of yours has the partition"
    return fine("profile", f"{holds}; to copy: {' and '.join(_EXAMPLES)} in {shipped}")
