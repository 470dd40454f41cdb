"""A device without room, in one line that says what would need less."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import torch

from emtnas_hpc.errors import EmtnasError

#: What torch's messages of the CUDA and of the CPU allocator have in common.
_SIGNS = ("out of memory", "can't allocate memory", "not enough memory")
_ASKED = re.compile(r"[Tt]ried to allocate ([\d.]+ \w+)")
_GIB = 2**30


@contextmanager
def out_of_memory_as_error(device: torch.device, advice: str) -> Iterator[None]:
    """Turns torch's error of the block that there is no memory into one of ours.

    Args:
        device: that is computed on.
        advice: which settings make less of it necessary.

    Raises:
        EmtnasError: naming what was asked for and what there is, as far as torch tells.
    """
    try:
        yield
    except RuntimeError as error:
        if not any(sign in str(error) for sign in _SIGNS):
            raise
        raise EmtnasError(_describe(error, device, advice)) from error


def _describe(error: RuntimeError, device: torch.device, advice: str) -> str:
    found = _ASKED.search(str(error))
    asked = f" {found[1]} were asked for" if found else ""
    where = "the GPU" if device.type == "cuda" else "this machine"
    room = _room(device) if device.type == "cuda" else ""
    facts = ",".join(part for part in (asked, room) if part)
    return f"out of memory on {where}:{facts or ' torch does not say how much'}; {advice}"


def _room(device: torch.device) -> str:
    """What is free and what there is; nothing of a device that answers no more."""
    with suppress(RuntimeError):
        free, total = torch.cuda.mem_get_info(device)
        return f" {free / _GIB:.1f} of {total / _GIB:.1f} GiB were free"
    return ""
