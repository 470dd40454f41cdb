"""Whether the packages are there that ONNX takes; looked for without importing them."""

from importlib.util import find_spec

from emtnas_hpc.errors import InputError

#: What torch's exporter imports.
PACKAGES = ("onnx", "onnxscript")


def refuse_missing_packages() -> None:
    """Makes sure that ONNX can be written.

    Raises:
        InputError: naming what to install.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise InputError(
            f"--onnx takes {' and '.join(missing)}, not installed here; "
            "install them with: pip install 'emtnas-hpc[onnx]'"
        )
