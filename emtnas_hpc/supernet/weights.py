"""The weights file of a network: tensors and plain values only, never unpickled."""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from emtnas_hpc.errors import DamagedError


def save_weights(state: dict[str, Any], file: Path) -> None:
    """Writes a state of tensors and plain values.

    Built in memory first: torch's writer aborts the process on a full disk, one write of finished
    bytes raises.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    file.write_bytes(buffer.getbuffer())


def load_weights(file: Path) -> dict[str, Any]:
    """Reads it back, onto the CPU.

    Raises:
        DamagedError: the file is not one of weights.
    """
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DamagedError(f"{file} cannot be read as weights: {reason}") from None
    if not isinstance(state, dict):
        raise DamagedError(f"{file} holds {type(state).__name__}, expected a table of weights")
    return state
