"""Prepared copies of a source: other images never take the place of others.

`<data>/<key of the source>` is the first copy, `<key>-<8 hex of its digest>` lies beside it. A new
run reads the copy of the source as it is now, one that has begun that which it began with.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.folders import LISTED, FileList
from emtnas_hpc.data.images import SPLITS
from emtnas_hpc.data.manifest import (
    SEEN_BY_A_SEARCH,
    ArraysManifest,
    Copy,
    DataManifest,
    ListingManifest,
    read_copy,
)
from emtnas_hpc.data.sources import Source
from emtnas_hpc.errors import DataError, first_few, shown
from emtnas_hpc.settings.experiment import TaskSettings

_N_DIGITS = 8


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
    with_test: bool = field(kw_only=True)
    what: str = field(kw_only=True)
    remedy: str = field(kw_only=True)
    is_binding: bool = field(default=True, kw_only=True)

    def fits(self, copy: Copy) -> bool:
        """Whether a copy holds these images."""
        manifest = copy.manifest
        if self.with_test or isinstance(manifest, ListingManifest):
            return manifest.content_digest == self.digest
        return manifest.search_digest(self.task.pool) == self.digest


def manifest_kind(source: Source) -> type[DataManifest]:
    """That of the copies of a source."""
    return ListingManifest if source.is_streamed else ArraysManifest


def copy_folders(data_dir: Path, source: Source) -> list[Path]:
    """The directories of all copies of a source, whole or damaged, the first copy first."""
    first = data_dir / source.key
    name = re.compile(rf"{re.escape(source.key)}-[0-9a-f]{{{_N_DIGITS}}}")
    others = (path for path in data_dir.glob(f"{source.key}-*") if name.fullmatch(path.name))
    return [path for path in (first, *sorted(others)) if path.exists()]


def name_beside(source: Source, copy: Copy) -> str:
    """What the directory of a copy is called where the first copy holds other images."""
    return f"{source.key}-{copy.manifest.content_digest[:_N_DIGITS]}"


def read_copies(data_dir: Path, source: Source) -> list[Copy]:
    """All copies of a source whose manifest can be read; no other file is looked at."""
    found = []
    for folder in copy_folders(data_dir, source):
        try:
            found.append(read_copy(folder, manifest_kind(source)))
        except DataError:
            continue
    return found


def current_copy(copies: Iterable[Copy], fingerprint: str | None) -> Copy | None:
    """The newest copy of a source with this fingerprint, None if there is none.

    Without a fingerprint the newest of all: the source never changes, is gone, or is streamed, and
    then `prepare` alone looks it through.
    """
    alike = [copy for copy in copies if not fingerprint or copy.manifest.fingerprint == fingerprint]
    return max(alike, key=lambda copy: copy.age, default=None)


class _Image(NamedTuple):
    """One image: its name within the source, if known; equal content for equal images of a class.

    Of a listed file the content is its path and size.
    """

    name: str | None
    content: Hashable


def describe_change(old: Copy, new: Copy) -> str:
    """Says which images were altered, added and removed, with their number and the first names.

    Raises:
        DataError: a file of one of the copies is missing or damaged.
    """
    coloured = [_is_coloured(copy) for copy in (old, new)]
    before, after = (list(_images(copy, any(coloured))) for copy in (old, new))
    if all(image.name is not None for image in (*before, *after)):
        parts = _by_name(before, after)
    else:
        parts = _by_number(before, after)
    if coloured[0] != coloured[1]:
        parts.append("all of them in colour" if coloured[1] else "all of them grey")
    return ", ".join(parts) or "the same images, numbered otherwise"


def seen_before(tested: Copy, searched: Copy) -> list[str]:
    """The test images of one copy whose very pixels a search saw in another one, by name.

    Raises:
        DataError: a file of one of the copies is missing or damaged.
    """
    seen = {
        pixels
        for split in SEEN_BY_A_SEARCH
        for pixels in _pixels(searched.arrays(split)[0], in_colour=True)
    }
    names = tested.names().get("test")
    hashes = _pixels(tested.arrays("test")[0], in_colour=True)
    found = [i for i, pixels in enumerate(hashes) if pixels in seen]
    return [names[i] if names else f"number {i}" for i in found]


def _by_name(old: Sequence[_Image], new: Sequence[_Image]) -> list[str]:
    before = {image.name: image.content for image in old}
    after = {image.name: image.content for image in new}
    # Contents that lie under the same name no more: they are gone, or lie under another one.
    loose = Counter(content for name, content in before.items() if after.get(name) != content)
    found: dict[str, list[str]] = {"altered": [], "added": [], "gone": [], "under other names": []}
    for name, content in after.items():
        if before.get(name) == content:
            continue
        if loose[content] > 0:
            loose[content] -= 1
            what = "under other names"
        else:
            what = "altered" if name in before else "added"
        found[what].append(shown(str(name)))
    for name, content in before.items():
        if name not in after and loose[content] > 0:
            loose[content] -= 1
            found["gone"].append(shown(str(name)))
    return [f"{len(names):,} {what} ({first_few(names)})" for what, names in found.items() if names]


def _by_number(old: Sequence[_Image], new: Sequence[_Image]) -> list[str]:
    before, after = (Counter(image.content for image in images) for images in (old, new))
    n_new, n_old = (after - before).total(), (before - after).total()
    names = [shown(image.name) for image in new if image.name and image.content not in before]
    counts = {"altered": min(n_new, n_old), "added": n_new - n_old, "gone": n_old - n_new}
    parts = [f"{n:,} {what}" for what, n in counts.items() if n > 0]
    if parts and names:
        is_mixed = n_new > n_old > 0
        parts[is_mixed] += f" ({'among them ' if is_mixed else ''}{first_few(names)})"
    return parts


def _is_coloured(copy: Copy) -> bool:
    return isinstance(copy.manifest, ArraysManifest) and copy.manifest.image_channels > 1


def _images(copy: Copy, in_colour: bool) -> Iterator[_Image]:
    manifest = copy.manifest
    if isinstance(manifest, ListingManifest):
        for split, folder in LISTED.items():
            files = FileList(*copy.arrays(split))
            for i, size in enumerate(files.sizes.tolist()):
                path = f"{folder}/{manifest.classes[files.labels[i]]}/{files.name(i)}"
                yield _Image(path, (path, size))
        return
    names = copy.names()
    for split in SPLITS:
        images, labels = copy.arrays(split)
        nameless: Sequence[str | None] = [None] * len(labels)
        for name, pixels, label in zip(
            names.get(split, nameless), _pixels(images, in_colour), labels, strict=True
        ):
            # Classes by name: one more among them changes the numbers of others.
            its_class = label.tobytes() if label.ndim else manifest.classes[int(label)]
            yield _Image(name, (pixels, its_class))


def _pixels(images: NDArray[Any], in_colour: bool) -> Iterator[bytes]:
    """A hash of every image's pixels; of grey ones as if they were coloured, if that is asked."""
    for image in images:
        pixels = np.repeat(image, 3, axis=2) if in_colour and image.shape[2] == 1 else image
        yield hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes()).digest()
