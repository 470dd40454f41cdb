"""The weights of an exported network as the bytes of a file."""

import io

import torch
from torch import nn


def weights_bytes(network: nn.Module) -> bytes:
    """A state dict as `torch.load(..., weights_only=True)` reads it; equal weights, equal bytes."""
    buffer = io.BytesIO()
    torch.save(dict(network.state_dict()), buffer)
    return buffer.getvalue()
