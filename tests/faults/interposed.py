"""Doing something before every call that our code makes into the file system."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

READS = ("listdir",)
WRITES = ("fsync", "rename", "replace", "mkdir", "write", "utime")
DELETIONS = ("unlink", "rmdir")


@contextmanager
def before_every_call(act: Callable[[str], None]) -> Iterator[None]:
    """Calls `act` with the name of each call; an exception out of it is the call's."""

    def interpose(module: ModuleType, name: str) -> None:
        real = getattr(module, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            act(name)
            return real(*args, **kwargs)

        patch.setattr(module, name, call)

    with pytest.MonkeyPatch.context() as patch:
        interpose(io, "open")
        for name in ("open", *READS, *WRITES, *DELETIONS):
            interpose(os, name)
        yield
