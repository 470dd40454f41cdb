"""Makes root obey file modes for a while, as everybody else does."""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_VERSION = 0x20080522  # of linux/capability.h: two words of 32 capabilities each
_OVERRIDES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def modes_obeyed() -> Iterator[None]:
    """Within the block this thread may open only what the modes of files permit.

    Programs that it starts are root's again.
    """
    if os.geteuid() != 0:
        yield
        return
    effective, *rest = _capabilities()
    _set_capabilities(effective & ~_OVERRIDES, *rest)
    try:
        yield
    finally:
        _set_capabilities(effective, *rest)


def modes_can_be_obeyed(folder: Path) -> bool:
    """Whether they are, within the block; tried on a file in this folder."""
    secret = folder / "secret"
    secret.touch(mode=0)
    try:
        with modes_obeyed():
            secret.read_bytes()
    except PermissionError:
        return True
    except OSError:  # capabilities cannot be given up here
        return False
    return False


def _capabilities() -> list[int]:
    """Effective, permitted, inheritable; then the same of those above 31."""
    data = ctypes.create_string_buffer(24)
    _call(_LIBC.capget, data)
    return list(struct.unpack("6I", data.raw))


def _set_capabilities(*words: int) -> None:
    _call(_LIBC.capset, ctypes.create_string_buffer(struct.pack("6I", *words), 24))


def _call(function: "ctypes._FuncPointer", data: "ctypes.Array[ctypes.c_char]") -> None:
    header = ctypes.create_string_buffer(struct.pack("Ii", _VERSION, 0))
    if function(header, data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
