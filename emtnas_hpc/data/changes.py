"""In what the images of two prepared copies differ, in words."""

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.copies import Copy
from emtnas_hpc.data.images import SPLITS, Split
from emtnas_hpc.data.listing import LISTED, FileList
from emtnas_hpc.data.manifest import (
    NAMES,
    SEEN_BY_A_SEARCH,
    Manifest,
    array_files,
    list_names,
    load_array,
    read_verified,
)
from emtnas_hpc.errors import DataError

_MOST_NAMED = 3


@dataclass(frozen=True)
class _Image:
    """One image of a copy.

    Attributes:
        name: within the source; None where the copy does not know it.
        content: equal for equal images of one class.
    """

    name: str | None
    content: Hashable


def describe_change(old: Copy, new: Copy) -> str:
    """Says which images were altered, added and removed, with their number and the first names.

    Raises:
        DataError: a file of one of the copies is missing or damaged.
    """
    in_colour = [copy.manifest for copy in (old, new) if _channels(copy) > 1]
    before, after = (list(_images(copy, bool(in_colour))) for copy in (old, new))
    if all(image.name is not None for image in (*before, *after)):
        parts = _by_name(before, after)
    else:
        parts = _by_number(before, after)
    if len(in_colour) == 1:
        parts.append("all of them in colour" if _channels(new) > 1 else "all of them grey")
    return ", ".join(parts) or "the same images, numbered otherwise"


def seen_before(tested: Copy, searched: Copy) -> list[str]:
    """The test images of one copy whose very pixels a search saw in another one, by name.

    Raises:
        DataError: a file of one of the copies is missing or damaged.
    """
    seen = {pixels for split in SEEN_BY_A_SEARCH for pixels in _pixels(searched, split, True)}
    names = _names(tested).get("test")
    found = [i for i, pixels in enumerate(_pixels(tested, "test", True)) if pixels in seen]
    return [names[i] if names else f"number {i}" for i in found]


def name_some(names: Sequence[str]) -> str:
    """The first few names."""
    shown = [name if name.isprintable() else repr(name) for name in names[:_MOST_NAMED]]
    return ", ".join(shown) + (", ..." if len(names) > _MOST_NAMED else "")


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
        found[what].append(str(name))
    for name, content in before.items():
        if name not in after and loose[content] > 0:
            loose[content] -= 1
            found["gone"].append(str(name))
    return [_counted(what, len(names), names) for what, names in found.items() if names]


def _by_number(old: Sequence[_Image], new: Sequence[_Image]) -> list[str]:
    before, after = (Counter(image.content for image in images) for images in (old, new))
    n_new, n_old = (after - before).total(), (before - after).total()
    names = [str(image.name) for image in new if image.name and image.content not in before]
    counts = {"altered": min(n_new, n_old), "added": n_new - n_old, "gone": n_old - n_new}
    parts = [_counted(what, n, []) for what, n in counts.items() if n > 0]
    if parts and names:
        is_mixed = n_new > n_old > 0
        parts[is_mixed] += f" ({'among them ' if is_mixed else ''}{name_some(names)})"
    return parts


def _counted(what: str, n: int, names: Sequence[str]) -> str:
    return f"{n:,} {what}" + (f" ({name_some(names)})" if names else "")


def _channels(copy: Copy) -> int:
    return copy.manifest.image_channels if isinstance(copy.manifest, Manifest) else 1


def _images(copy: Copy, in_colour: bool) -> Iterator[_Image]:
    """All images of a copy, or all files of a list."""
    manifest = copy.manifest
    if not isinstance(manifest, Manifest):
        for split, folder in LISTED.items():
            files = FileList(*(load_array(copy.folder, manifest, n) for n in list_names(split)))
            for i, size in enumerate(files.sizes.tolist()):
                path = f"{folder}/{manifest.classes[files.labels[i]]}/{files.name(i)}"
                yield _Image(path, (path, size))
        return
    names: Mapping[str, Sequence[str | None]] = _names(copy)
    for split in SPLITS:
        labels = load_array(copy.folder, manifest, array_files(split)[1])
        nameless = [None] * len(labels)
        for name, pixels, label in zip(
            names.get(split, nameless), _pixels(copy, split, in_colour), labels, strict=True
        ):
            yield _Image(name, (pixels, _class(manifest, label)))


def _class(manifest: Manifest, label: NDArray[Any]) -> Hashable:
    """Classes by name: one more among them changes the numbers of others."""
    return label.tobytes() if manifest.multi_label else manifest.classes[int(label)]


def _pixels(copy: Copy, split: Split, in_colour: bool) -> Iterator[bytes]:
    """A hash of every image's pixels; of grey ones as if they were coloured, if that is asked."""
    images = load_array(copy.folder, copy.manifest, array_files(split)[0])
    for image in images:
        pixels = np.repeat(image, 3, axis=2) if in_colour and image.shape[2] == 1 else image
        yield hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes()).digest()


def _names(copy: Copy) -> dict[str, list[str]]:
    """The images' names of every split; empty where they are unknown."""
    if NAMES not in copy.manifest.files:
        return {}
    names = json.loads(read_verified(copy.folder, copy.manifest, NAMES))
    if any(len(names[split]) != n for split, n in copy.manifest.n_images.items()):
        raise DataError(f"{copy.folder / NAMES} has names for another number of images")
    return dict(names)
