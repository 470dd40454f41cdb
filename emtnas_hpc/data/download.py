"""Fetching one official file into the data directory."""

import hashlib
import http.client
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from emtnas_hpc.data.raw import Say
from emtnas_hpc.data.refusals import storage_errors
from emtnas_hpc.errors import DataError

_CHUNK = 1 << 20
_TIMEOUT_S = 60


def fetch(url: str, target: Path, md5: str, say: Say) -> None:
    """Makes sure that `target` is the official file; downloads it unless it is there.

    A download becomes visible under its name only when it is whole.

    Raises:
        DataError: no network, or a checksum that is not `md5`.
        StorageError: no room.
    """
    if not target.exists():
        _download(url, target, md5, say)
        return
    found = _md5(target)
    if found != md5:
        raise DataError(
            f"{target} has MD5 {found[:12]}, expected {md5[:12]}; remove it and prepare again"
        )


def _download(url: str, target: Path, md5: str, say: Say) -> None:
    say(f"downloading {url} to {target}")
    digest = hashlib.md5(usedforsecurity=False)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with storage_errors(target), partial.open("wb") as file:
            for chunk in _chunks(url, target):
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != md5:
            raise DataError(
                f"{url} gave a file of MD5 {digest.hexdigest()[:12]}, expected {md5[:12]}; "
                "prepare again, the transfer may have been cut off"
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _chunks(url: str, target: Path) -> Iterator[bytes]:
    request = urllib.request.Request(url, headers={"User-Agent": "emtnas-hpc"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            while chunk := response.read(_CHUNK):
                yield chunk
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DataError(
            f"cannot download {url} ({reason}); on a machine without internet, copy that file to "
            f"{target} and prepare again"
        ) from None


def _md5(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, _new_md5).hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror})") from None


def _new_md5() -> "hashlib._Hash":
    return hashlib.md5(usedforsecurity=False)
