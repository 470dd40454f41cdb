"""What a process and its picture readers say to each other: lines of JSON, and bytes of images.

A request is a line. The answer to it is a line that says how many bytes follow, or what is wrong.
"""

import json
from collections.abc import Sequence
from typing import IO

from emtnas_hpc.errors import DataError
from emtnas_hpc.pictures.crop import Crop
from emtnas_hpc.pictures.decoding import decode
from emtnas_hpc.pictures.picture import Picture


def request_line(pictures: Sequence[Picture], size: int) -> bytes:
    """Asks for pictures as images of an edge of `size`."""
    listed = [[picture.path, picture.n_bytes, _plain(picture.crop)] for picture in pictures]
    return json.dumps([size, listed]).encode() + b"\n"


def answer(line: bytes, out: IO[bytes]) -> None:
    """Does what a request asks for."""
    size, listed = json.loads(line)
    pictures = [Picture(path, n_bytes, _crop(crop)) for path, n_bytes, crop in listed]
    try:
        images = [decode(picture, size) for picture in pictures]
    except DataError as error:
        out.write(json.dumps({"problem": str(error)}).encode() + b"\n")
    else:
        out.write(json.dumps({"n_bytes": sum(map(len, images))}).encode() + b"\n")
        out.writelines(images)
    out.flush()


def read_answer(source: IO[bytes]) -> bytes:
    """The images of a request, one after the other.

    Raises:
        DataError: of the first picture that could not be read.
        EOFError: nobody is there any more.
    """
    line = source.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    head = json.loads(line)
    if "problem" in head:
        raise DataError(head["problem"])
    images = source.read(head["n_bytes"])
    if len(images) < head["n_bytes"]:
        raise EOFError
    return images


def _plain(crop: Crop | None) -> list[object] | None:
    return None if crop is None else [crop.areas, crop.aspects, crop.place, crop.flip]


def _crop(plain: list[object] | None) -> Crop | None:
    return None if plain is None else Crop(*plain)  # type: ignore[arg-type]
