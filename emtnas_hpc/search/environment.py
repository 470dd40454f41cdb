"""Environment variables that only count if they are set before torch is imported."""

import os

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
