"""Writing what was read from a source into a new directory, its manifest last."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emtnas_hpc.data.images import Images, Split
from emtnas_hpc.data.listing import LISTED, Listing
from emtnas_hpc.data.manifest import (
    NAMES,
    FileRecord,
    ListingManifest,
    Manifest,
    array_files,
    list_names,
    record,
    write_manifest,
)
from emtnas_hpc.data.sources import Source
from emtnas_hpc.pictures.picture import Picture
from emtnas_hpc.store.durable import sync_directory, write_synced

#: Pictures of each part that are decoded to see whether they are any.
_N_CHECKED = 8
_CHECKED_SIZE = 32


def write_arrays(
    folder: Path,
    source: Source,
    made_from: str,
    splits: Mapping[Split, Images],
    classes: tuple[str, ...],
    conversion: str,
) -> None:
    """Writes images and labels of every split, and the names that images have in their source."""
    arrays = {
        name: array
        for split, images in splits.items()
        for name, array in zip(array_files(split), (images.images, images.labels), strict=True)
    }
    train = splits["train"]
    manifest = Manifest(
        source=source.text,
        fingerprint=made_from,
        classes=classes,
        n_images={split: len(images) for split, images in splits.items()},
        files=_write(folder, arrays) | (_write_names(folder, splits) if made_from else {}),
        image_channels=train.images.shape[3],
        image_size=train.images.shape[1],
        multi_label=train.multi_label,
        conversion=conversion,
    )
    write_manifest(folder, manifest)
    sync_directory(folder)


def write_lists(folder: Path, source: Source, listing: Listing) -> None:
    """Writes names, sizes and labels of every part."""
    manifest = ListingManifest(
        source=source.text,
        fingerprint="",
        classes=listing.classes,
        n_images={split: len(files) for split, files in listing.files.items()},
        files=_write(folder, _arrays_of(listing)),
    )
    write_manifest(folder, manifest)
    sync_directory(folder)


def records_of(listing: Listing) -> dict[str, FileRecord]:
    """What the manifest of a listing says of its files."""
    return {name: record(_npy(array)) for name, array in _arrays_of(listing).items()}


def check_some(folder: Path, listing: Listing) -> None:
    """Decodes a few pictures of every part: reading all would take hours.

    Raises:
        DataError: one of them cannot be decoded.
    """
    # Its library is needed by nobody who only opens data.
    from emtnas_hpc.pictures.decoding import decode

    for split, files in listing.files.items():
        for i in np.unique(np.linspace(0, len(files) - 1, _N_CHECKED).astype(np.int64)):
            path = folder / LISTED[split] / listing.classes[files.labels[i]] / files.name(i)
            decode(Picture(str(path), int(files.sizes[i]), None), _CHECKED_SIZE)


def _arrays_of(listing: Listing) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    for split, files in listing.files.items():
        names = list_names(split)
        arrays |= zip(names, (files.names, files.sizes, files.labels), strict=True)
    return arrays


def _write(folder: Path, arrays: Mapping[str, NDArray[Any]]) -> dict[str, FileRecord]:
    files: dict[str, FileRecord] = {}
    for name, array in arrays.items():
        content = _npy(array)
        files[name] = record(content)
        write_synced(folder / name, content)
    return files


def _write_names(folder: Path, splits: Mapping[Split, Images]) -> dict[str, FileRecord]:
    names = {split: images.names for split, images in splits.items()}
    if not all(names.values()):
        return {}
    content = json.dumps(names).encode()
    write_synced(folder / NAMES, content)
    return {NAMES: record(content)}


def _npy(array: NDArray[Any]) -> memoryview:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array))
    return buffer.getbuffer()
