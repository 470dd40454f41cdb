"""What structured files and JSON are made of: keys and types, no values."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import torch


def shape_of(*documents: object) -> str:
    """A line for each place of documents that are alike, with the types that are found there."""
    types: dict[str, set[str]] = {}
    for place, kind in (found for document in documents for found in _walk("", document)):
        types.setdefault(place, set()).add(kind)
    return "".join(
        f"{place or '.'}: {' or '.join(sorted(kinds))}\n" for place, kinds in types.items()
    )


def _walk(place: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        yield place, "table"
        for key, each in value.items():
            yield from _walk(f"{place}.{key}" if place else str(key), each)
    elif isinstance(value, list | tuple):
        yield place, type(value).__name__
        for each in value:
            yield from _walk(f"{place}[]", each)
    else:
        yield place, "null" if value is None else type(value).__name__


def shapes_of_attempts(files: Iterable[Path]) -> str:
    """Of each kind of line in attempts what it is made of."""
    kinds = defaultdict(list)
    for line in (line for file in sorted(files) for line in file.read_text().splitlines()):
        values = json.loads(line)
        kinds[values.get("event", "what it says of itself")].append(values)
    return "\n".join(f"{kind}\n{shape_of(*kinds[kind])}" for kind in sorted(kinds))


def hdf5_schema(file: Path) -> str:
    """Attributes, groups and data sets with their dtypes and numbers of dimensions."""
    lines: list[str] = []

    def tell(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset):
            lines.append(f"{name}: {thing.dtype}, {thing.ndim} dimensions, {_filters(thing)}")
        else:
            lines.append(f"{name}/")
        lines.extend(_attributes(name, thing))

    with h5py.File(file, "r") as opened:
        lines.extend(_attributes("", opened))
        opened.visititems(tell)
    return "".join(f"{line}\n" for line in lines)


def _filters(data: h5py.Dataset) -> str:
    chunked = "chunked" if data.chunks else "contiguous"
    return f"{chunked}, {data.compression or 'not compressed'}"


def _attributes(name: str, thing: Any) -> Iterable[str]:
    for key, value in thing.attrs.items():
        yield f"{name}@{key}: {getattr(value, 'dtype', type(value).__name__)}"


def weights_schema(file: Path) -> str:
    """What a file of torch's holds."""
    return shape_of(_named(torch.load(file, weights_only=True)))


def _named(value: object) -> object:
    """Tensors as values of types that say what they are."""
    if isinstance(value, dict):
        return {key: _named(each) for key, each in value.items()}
    if isinstance(value, torch.Tensor):
        return type(f"{value.dtype} of {value.ndim} dimensions", (), {})()
    return value
