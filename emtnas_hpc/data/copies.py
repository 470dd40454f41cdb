"""Which of the prepared copies of a source serves: other images never take the place of others.

`<data>/<key of the source>` is the first copy, `<key>-<8 hex of its digest>` lies beside it. A new
run reads the copy of the source as it is now, one that has begun that which it began with.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.data.manifest import MANIFEST, ListingManifest, Manifest, read_manifest
from emtnas_hpc.data.sources import Source, fingerprint
from emtnas_hpc.data.task_data import TaskData
from emtnas_hpc.errors import DataError
from emtnas_hpc.experiment.settings import TaskSettings

_N_DIGITS = 8


@dataclass(frozen=True)
class Copy:
    """A prepared directory whose manifest can be read.

    Attributes:
        folder: the directory.
        manifest: what it says about itself.
    """

    folder: Path
    manifest: Manifest | ListingManifest

    @property
    def age(self) -> tuple[int, str]:
        """Grows with the time at which the source was last found to be like this copy."""
        return (self.folder / MANIFEST).stat().st_mtime_ns, self.folder.name


@dataclass(frozen=True)
class Begun:
    """The images that a search or retraining has begun with: they stay, whatever the source is now.

    Attributes:
        digest: of the images.
        task: the settings that they had then.
        with_test: whether the digest is of the test set as well.
        what: has begun, for messages.
        remedy: how the images of now are used, for messages.
        is_binding: whether other images are refused; else they are used, which is said.
    """

    digest: str
    task: TaskSettings
    with_test: bool
    what: str
    remedy: str
    is_binding: bool = True

    def fits(self, data: Copy | TaskData) -> bool:
        """Whether a copy holds these images."""
        manifest = data.manifest
        if self.with_test or not isinstance(manifest, Manifest):
            return manifest.content_digest == self.digest
        return manifest.search_digest(self.task.pool) == self.digest


def copy_folders(data_dir: Path, source: Source) -> list[Path]:
    """The directories of all copies of a source, whole or damaged, the first copy first."""
    first = data_dir / source.key
    name = re.compile(rf"{re.escape(source.key)}-[0-9a-f]{{{_N_DIGITS}}}")
    others = (path for path in data_dir.glob(f"{source.key}-*") if name.fullmatch(path.name))
    return [path for path in (first, *sorted(others)) if path.exists()]


def name_beside(source: Source, manifest: Manifest | ListingManifest) -> str:
    """What the directory of a copy is called where the first copy holds other images."""
    return f"{source.key}-{manifest.content_digest[:_N_DIGITS]}"


def read_copies(data_dir: Path, source: Source) -> list[Copy]:
    """All copies of a source whose manifest can be read; no other file is looked at."""
    found = []
    for folder in copy_folders(data_dir, source):
        try:
            found.append(read_copy(folder, source))
        except DataError:
            continue
    return found


def read_copy(folder: Path, source: Source) -> Copy:
    """One copy.

    Raises:
        DataError: its manifest is missing or damaged.
    """
    if source.is_streamed:
        return Copy(folder, read_manifest(folder, ListingManifest))
    return Copy(folder, read_manifest(folder, Manifest))


def current_copy(copies: Iterable[Copy], source: Source) -> Copy | None:
    """The copy of a source as it is now; None if there is none.

    Of a source that never changes, that is gone, or that is looked through by `prepare` alone since
    it is streamed, the newest.
    """
    now = "" if source.is_streamed else fingerprint(source)
    alike = [copy for copy in copies if not now or copy.manifest.fingerprint == now]
    return max(alike, key=lambda copy: copy.age, default=None)


def begun_copy(copies: Iterable[Copy], source: Source, begun: Begun) -> Copy | None:
    """The copy of the images that something has begun with; None if it is gone.

    Where several differ in their test sets only, that of the source as it is now is preferred.
    """
    fitting = [copy for copy in copies if begun.fits(copy)]
    # The source may be nothing that can be read any more; what began does not depend on it.
    with suppress(DataError):
        if len(fitting) > 1 and (current := current_copy(fitting, source)):
            return current
    return next(iter(fitting), None)
