"""The prepared copies of a source: which there are, and how two of them differ.

`<data>/<key of the source>` is the first copy, `<key>-<8 hex of its digest>` lies beside it: other
images never take the place of those that a run has begun with.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.folders import LISTED, FileList
from emtnas_hpc.data.image_folder import ImageFolder, look_through
from emtnas_hpc.data.images import SPLITS
from emtnas_hpc.data.manifest import (
    SEEN_BY_A_SEARCH,
    ArraysManifest,
    Copy,
    DataManifest,
    ListingManifest,
    read_copy,
)
from emtnas_hpc.data.npz_file import npz_fingerprint
from emtnas_hpc.data.sources import Source
from emtnas_hpc.errors import DataError, first_few, shown

_N_DIGITS = 8

#: An image's name within the source, if it is known, and what is equal for equal images of a class.
_Image: TypeAlias = tuple[str | None, Hashable]


def manifest_kind(source: Source) -> type[DataManifest]:
    """The kind of manifest that the copies of a source have."""
    return ListingManifest if source.is_streamed else ArraysManifest


def copy_folders(data_dir: Path, source: Source) -> list[Path]:
    """The directories of all copies of a source, whole or damaged, the first copy first."""
    first = data_dir / source.key
    name = re.compile(rf"{re.escape(source.key)}-[0-9a-f]{{{_N_DIGITS}}}")
    others = (path for path in data_dir.glob(f"{source.key}-*") if name.fullmatch(path.name))
    return [path for path in (first, *sorted(others)) if path.exists()]


def name_beside(source: Source, copy: Copy) -> str:
    """The name of a copy's directory where the first copy holds other images."""
    return f"{source.key}-{copy.manifest.content_digest[:_N_DIGITS]}"


def read_copies(data_dir: Path, source: Source) -> list[Copy]:
    """All copies of a source whose manifest can be read; no other file is opened."""
    found = []
    for folder in copy_folders(data_dir, source):
        try:
            found.append(read_copy(folder, manifest_kind(source)))
        except DataError:
            # The other copies serve on; `prepare` repairs this one.
            continue
    return found


def fingerprint(source: Source, pictures: ImageFolder | None = None) -> str | None:
    """What changes when the user changes a file of the source: sizes and modification times.

    It is empty for a source that never changes or is streamed, None when the user's file or folder
    is gone. `pictures` is what was found in an image folder, which is then not searched again.
    """
    if source.kind == "npz":
        return npz_fingerprint(source.path)
    if source.kind == "images":
        return (pictures or look_through(source.path)).fingerprint
    return ""


def current_copy(copies: Iterable[Copy], fingerprint: str | None) -> Copy | None:
    """The newest copy of a source with this fingerprint, None if there is none.

    Without a fingerprint the newest of all: the source never changes, is gone, or is streamed, and
    then `prepare` alone looks through it.
    """
    alike = [copy for copy in copies if not fingerprint or copy.manifest.fingerprint == fingerprint]
    return max(alike, key=lambda copy: copy.age, default=None)


def describe_change(old: Copy, new: Copy) -> str:
    """Says which images were altered, added and removed, with their number and the first names.

    Raises:
        DataError: a file of one of the copies is missing or damaged.
    """
    coloured = [
        isinstance(copy.manifest, ArraysManifest) and copy.manifest.image_channels > 1
        for copy in (old, new)
    ]
    before, after = (list(_images(copy, any(coloured))) for copy in (old, new))
    has_names = all(name is not None for name, _content in (*before, *after))
    parts = (_compare_by_name if has_names else _compare_by_number)(before, after)
    if coloured[0] != coloured[1]:
        parts.append("all of them in colour" if coloured[1] else "all of them grey")
    return ", ".join(parts) or "the same images, numbered otherwise"


def seen_before(tested: Copy, searched: Copy) -> list[str]:
    """The names of one copy's test images whose pixels a search saw in the other copy.

    Raises:
        DataError: a file of one of the copies is missing or damaged.
    """
    # As if in colour: one picture in colour makes all images of its copy so.
    seen = {
        pixels
        for split in SEEN_BY_A_SEARCH
        for pixels in _hash_pixels(searched.arrays(split)[0], in_colour=True)
    }
    names = tested.names().get("test")
    hashes = _hash_pixels(tested.arrays("test")[0], in_colour=True)
    found = [i for i, pixels in enumerate(hashes) if pixels in seen]
    return [names[i] if names else f"number {i}" for i in found]


def _compare_by_name(old: Sequence[_Image], new: Sequence[_Image]) -> list[str]:
    before, after = dict(old), dict(new)
    # Contents that are no longer under the same name: they are gone, or have another name now.
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


def _compare_by_number(old: Sequence[_Image], new: Sequence[_Image]) -> list[str]:
    before, after = (Counter(content for _name, content in images) for images in (old, new))
    n_new, n_old = (after - before).total(), (before - after).total()
    names = [shown(name) for name, content in new if name and content not in before]
    counts = {"altered": min(n_new, n_old), "added": n_new - n_old, "gone": n_old - n_new}
    parts = [f"{n:,} {what}" for what, n in counts.items() if n > 0]
    if parts and names:
        is_mixed = n_new > n_old > 0
        parts[is_mixed] += f" ({'among them ' if is_mixed else ''}{first_few(names)})"
    return parts


def _images(copy: Copy, in_colour: bool) -> Iterator[_Image]:
    manifest = copy.manifest
    if isinstance(manifest, ListingManifest):
        for split, folder in LISTED.items():
            files = FileList(*copy.arrays(split))
            for i, size in enumerate(files.sizes.tolist()):
                path = f"{folder}/{files.path(i, manifest.classes)}"
                yield path, (path, size)
        return
    names = copy.names()
    for split in SPLITS:
        images, labels = copy.arrays(split)
        nameless: Sequence[str | None] = [None] * len(labels)
        hashes = _hash_pixels(images, in_colour)
        for name, pixels, label in zip(names.get(split, nameless), hashes, labels, strict=True):
            # The class's name: a class that is added changes the numbers of others.
            its_class = label.tobytes() if label.ndim else manifest.classes[int(label)]
            yield name, (pixels, its_class)


def _hash_pixels(images: NDArray[Any], in_colour: bool) -> Iterator[bytes]:
    """A hash of every image's pixels; `in_colour` takes grey images as if they were coloured."""
    for image in images:
        # The shape too: images of two shapes may have the same bytes.
        pixels = np.repeat(image, 3, axis=2) if in_colour and image.shape[2] == 1 else image
        yield hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes()).digest()
