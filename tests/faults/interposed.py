"""Doing something before every call that our code makes into the file system."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

_CALLS = ("open", "listdir", "fsync", "rename", "replace", "mkdir", "write", "unlink", "rmdir")

#: The calls that a full disk refuses.
NEED_ROOM = {"create", "fsync", "replace", "mkdir", "write"}


@contextmanager
def before_every_call(act: Callable[[str], None]) -> Iterator[None]:
    """Calls `act` with the name of each call; an exception out of it is the call's."""

    def interpose(module: ModuleType, name: str) -> None:
        real = getattr(module, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            act(_described(name, args))
            return real(*args, **kwargs)

        patch.setattr(module, name, call)

    with pytest.MonkeyPatch.context() as patch:
        interpose(io, "open")
        for name in _CALLS:
            interpose(os, name)
        yield


def _described(name: str, args: tuple[Any, ...]) -> str:
    mode = args[1] if name == "open" and len(args) > 1 else ""
    creates = mode & os.O_CREAT if isinstance(mode, int) else set(mode) & set("wax")
    return "create" if creates else name
