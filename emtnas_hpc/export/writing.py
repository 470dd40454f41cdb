"""Exported files on the disk: whole ones only, and no other file lost."""

import os
from collections.abc import Mapping
from pathlib import Path

from emtnas_hpc.errors import InputError
from emtnas_hpc.store.refusals import storage_errors

_ADVICE = "choose another --output"


def refuse_other_files(files: Mapping[Path, bytes]) -> None:
    """Makes sure that nothing else is where files are to be written; the very same may be.

    Raises:
        InputError: something else is.
        StorageError: it cannot be read.
    """
    for path, content in files.items():
        with storage_errors(path, "read", _ADVICE):
            try:
                same = path.read_bytes() == content
            except FileNotFoundError:
                continue
            except NotADirectoryError:
                raise InputError(
                    f"--output is {str(path.parent)!r}, which is a file or lies in one; expected a "
                    "directory, there or still to be made"
                ) from None
            except IsADirectoryError:
                same = False
        if not same:
            raise InputError(
                f"{path} is there already, and another one; replace it with --force, or choose "
                "another --output or --name"
            )


def write_files(files: Mapping[Path, bytes]) -> None:
    """Writes files in their order, each whole or not at all.

    Raises:
        StorageError: the disk refused.
    """
    for path, content in files.items():
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with storage_errors(path, advice=_ADVICE):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                temporary.write_bytes(content)
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
