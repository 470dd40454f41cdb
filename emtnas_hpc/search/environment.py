"""Environment variables that only count if they are set before torch is imported."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

#: Set for a process that follows one whose training steps could not be recorded.
NO_GRAPHS = "EMTNAS_NO_GRAPHS"

_VARIABLES = {
    # On a shared machine, OpenMP threads that spin while they wait made a step take up to 20 times
    # as long.
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    # cuBLAS is deterministic with a fixed workspace only.
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}


def prepare_environment() -> None:
    """Sets what the user has not set otherwise; to be called before anything imports torch."""
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    if "TRITON_CACHE_DIR" not in os.environ:
        with suppress(OSError):
            os.environ["TRITON_CACHE_DIR"] = str(_kernel_cache())


def _kernel_cache() -> Path:
    """Where compiled kernels are kept: not in a home, which is shared and small on clusters.

    Raises:
        OSError: it cannot be made, or is somebody else's, whose kernels are not to be trusted.
    """
    folder = Path(tempfile.gettempdir()) / f"emtnas-triton-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder
