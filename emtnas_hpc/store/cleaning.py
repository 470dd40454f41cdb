"""What attempts that were cut short left behind, and who may delete it."""

import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from emtnas_hpc.store.claim import Claim
from emtnas_hpc.store.paths import RunPaths, find_temporaries


def clean(paths: RunPaths, claim: Claim, superseded: Collection[str]) -> None:
    """Deletes the temporary files and directories of superseded attempts, and of no others.

    What cannot be deleted is left for the next owner.

    Args:
        paths: of the run.
        claim: of the new owner.
        superseded: tokens of the attempts that it has superseded, read while it owned the run.

    Raises:
        SupersededError: the run is not ours any more.
    """
    for directory in (paths.directory, *(stage.directory for stage in paths.stages())):
        for token, path in find_temporaries(directory):
            if token in superseded:
                claim.check()
                _delete(path, claim.token)


def _delete(path: Path, token: str) -> None:
    # Renamed first: its process, if it lives after all, then cannot publish a half-deleted commit.
    doomed = path.with_name(f".old-{path.name.lstrip('.')}-{token}")
    with suppress(OSError):
        path.rename(doomed)
        if doomed.is_dir():
            shutil.rmtree(doomed, ignore_errors=True)
        else:
            doomed.unlink()
