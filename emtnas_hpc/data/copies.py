"""Prepared copies of a source: which one serves, how they differ, what looks wrong in one."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.dataset import TaskData
from emtnas_hpc.data.folders import LISTED, FileList
from emtnas_hpc.data.images import SPLITS, Images, Split
from emtnas_hpc.data.manifest import (
    MANIFEST,
    NAMES,
    SEEN_BY_A_SEARCH,
    ListingManifest,
    Manifest,
    array_files,
    list_names,
    load_array,
    read_manifest,
    read_verified,
)
from emtnas_hpc.data.sources import Source, fingerprint
from emtnas_hpc.errors import DataError
from emtnas_hpc.settings.experiment import TaskSettings

# Which of the prepared copies of a source serves: other images never take the place of others.
#
# `<data>/<key of the source>` is the first copy, `<key>-<8 hex of its digest>` lies beside it. A
# new run reads the copy of the source as it is now, one that has begun that which it began with.


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


#: Neighbouring levels of 256 that no class should huddle in, and the share of pixels that does.
#: Digits are black in 80 % of their pixels and thin drawings white in 95 %; what a wrong range, a
#: mask of 0 and 1, or lost transparency leaves lies beyond.
_FEW_LEVELS = 16
_NEARLY_ALL = 0.99
_N_SHOWN = 3

#: Pixels that are looked at together; counting them takes eight bytes each.
_AT_ONCE = 2**22


@dataclass(frozen=True)
class _Facts:
    """Of the images of a class.

    Attributes:
        counts: of pixels of each level, (256,).
        each_is_flat: whether every image has a single value.
        contents: a digest of each image.
    """

    counts: NDArray[np.int64]
    each_is_flat: bool
    contents: frozenset[int]


def doubts(splits: Mapping[Split, Images], classes: tuple[str, ...]) -> tuple[str, ...]:
    """Lines that warn of splits and classes in which nothing, or no difference, is to be seen."""
    return tuple(
        line for split, images in splits.items() for line in _of_split(split, images, classes)
    )


def _of_split(split: Split, images: Images, classes: tuple[str, ...]) -> Iterator[str]:
    seen = {name: facts for label, name in enumerate(classes) if (facts := _look(images, label))}
    dull = {name: text for name, facts in seen.items() if (text := _dull(facts))}
    if dull:
        shown = ", ".join(f"{name!r} ({text})" for name, text in list(dull.items())[:_N_SHOWN])
        dots = ", ..." if len(dull) > _N_SHOWN else ""
        yield (
            f"WARNING: in {split} hardly anything is to be seen of {len(dull)} of {len(classes)} "
            f"classes: {shown}{dots}; look at the pictures and at their range"
        )
    if images.multi_label:
        return
    # Equal images of one class are nothing odd, the same images in two classes are.
    first: dict[frozenset[int], str] = {}
    twins = [
        (first[facts.contents], name)
        for name, facts in seen.items()
        if first.setdefault(facts.contents, name) != name
    ]
    if twins:
        one, other = twins[0]
        yield (
            f"WARNING: in {split} {len(twins)} of {len(classes)} classes have the same images as "
            f"another, first {other!r} those of {one!r}"
        )


def _look(images: Images, label: int) -> _Facts | None:
    """What the images of a class are, looked at some at a time; None without any."""
    chosen = images.labels[:, label] == 1 if images.multi_label else images.labels == label
    members = np.flatnonzero(chosen)
    counts, each_is_flat = np.zeros(256, np.int64), True
    contents: set[int] = set()
    at_once = max(1, _AT_ONCE // max(1, images.images[:1].size))
    for start in range(0, len(members), at_once):
        flat = images.images[members[start : start + at_once]]
        flat = flat.reshape(len(flat), -1)
        counts += np.bincount(flat.reshape(-1), minlength=256)
        each_is_flat = each_is_flat and bool((flat.min(axis=1) == flat.max(axis=1)).all())
        contents.update(hash(image.tobytes()) for image in flat)
    return _Facts(counts, each_is_flat, frozenset(contents)) if len(members) else None


def _dull(facts: _Facts) -> str:
    """Why the images of a class show nothing, or nothing in words."""
    levels = np.flatnonzero(facts.counts)
    if len(levels) == 1:
        return f"all pixels are {levels[0]}"
    within = np.convolve(facts.counts, np.ones(_FEW_LEVELS, np.int64), "valid")
    within = within / facts.counts.sum()
    lowest = int(within.argmax())
    if within[lowest] >= _NEARLY_ALL:
        some = levels[(levels >= lowest) & (levels < lowest + _FEW_LEVELS)]
        between = f"are {some[0]}" if len(some) == 1 else f"lie from {some[0]} to {some[-1]}"
        return f"{np.floor(1000 * within[lowest]) / 10:g} % of all pixels {between} of 255"
    return "each image is of one value" if facts.each_is_flat else ""
