"""Random picture files: of every mode that a format takes, and damaged."""

import io
import random
import struct
from typing import Any

import numpy as np
from PIL import Image

#: What Pillow can write: mode of the file, its suffixes, whether its values have more than 8 bits.
SHALLOW: dict[str, tuple[str, ...]] = {
    "1": ("png", "tif", "bmp", "pbm"),
    "L": ("png", "jpg", "JPEG", "bmp", "gif", "tif", "pgm", "webp", "jfif", "pnm"),
    "LA": ("png", "tif"),
    "P": ("png", "gif", "tif", "bmp"),
    "PA": ("tif",),
    "RGB": ("png", "jpg", "JPG", "bmp", "gif", "tif", "ppm", "webp", "jpe", "tga", "jp2"),
    "RGBA": ("png", "tif", "webp", "tga"),
    "CMYK": ("jpg", "tif"),
    "YCbCr": ("jpg", "tif"),
    "LAB": ("tif",),
}
MODES = tuple(mode for mode in SHALLOW if mode != "LAB")
#: By what all pictures of a data set should have in common: type, suffixes, and largest value.
DEEP: dict[str, tuple[str, tuple[str, ...], float]] = {
    "16": ("u2", ("png", "tif"), 65535),
    "12 of 16": ("u2", ("png", "tiff"), 4095),
    "pgm": ("u2", ("pgm",), 65535),
    "signed": ("i4", ("tif",), 1e6),
    "floats": ("f4", ("tif",), 1.0),
    "large floats": ("f4", ("tif", "pfm"), 1e30),
}
_FORMATS = {"jfif": "JPEG", "jpe": "JPEG", "pnm": "PPM", "jp2": "JPEG2000", "JPG": "JPEG"}


def shallow_file(rng: random.Random) -> tuple[str, bytes, bool]:
    """The suffix and the content of a picture of 8 bits, and whether it can be read."""
    # Rarely what is refused, or most data sets would be.
    mode = "LAB" if rng.random() < 0.002 else rng.choice(MODES)
    suffix = rng.choice(SHALLOW[mode])
    colours = Image.fromarray(_noise(rng, 4, 256).astype(np.uint8))
    grey = colours.getchannel(0)
    if mode == "LAB":
        picture = Image.merge("LAB", colours.split()[:3])
    elif mode in ("LA", "RGBA"):
        picture = colours if mode == "RGBA" else Image.merge("LA", (grey, colours.getchannel(3)))
    else:
        picture = (grey if mode == "1" else colours.convert("RGB")).convert(mode)
    return suffix, _written(rng, picture, suffix), mode != "LAB"


def deep_file(rng: random.Random, kind: str) -> tuple[str, bytes, bool]:
    """The suffix and the content of a picture of more than 8 bits, and whether it can be read."""
    dtype, suffixes, largest = DEEP[kind]
    values = _noise(rng, 1, 1)[..., 0] * largest
    if kind in ("signed", "large floats"):
        values -= largest / 3
    finite = dtype != "f4" or rng.random() < 0.998
    if not finite:
        values[0, 0] = rng.choice((np.nan, np.inf, -np.inf))
    suffix = rng.choice(suffixes)
    return suffix, _written(rng, Image.fromarray(values.astype(dtype)), suffix), finite


def damaged(rng: random.Random, content: bytes) -> bytes:
    """The content of a file cut off, changed in some bytes, empty, or nonsense."""
    match rng.randrange(4):
        case 0:
            return content[: rng.randrange(len(content) + 1)]
        case 1:
            changed = bytearray(content)
            for _ in range(rng.randint(1, 8)):
                # Not the sizes within the first bytes alone: all that a file says may be wrong.
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            return bytes(changed)
        case 2:
            return b""
        case _:
            return rng.randbytes(rng.randint(1, 200))


def _noise(rng: random.Random, channels: int, levels: int) -> np.ndarray:
    draws = np.random.default_rng(rng.getrandbits(64))
    height, width = rng.choice((1, 2, 5, 9, 16)), rng.choice((2, 3, 8, 17))
    pixels = draws.uniform(0, levels, (height, width, channels))
    # Of every range something occurs, also in a picture of two pixels.
    pixels[0, 0], pixels[-1, -1] = 0, levels * 0.999
    return pixels


def _written(rng: random.Random, picture: Image.Image, suffix: str) -> bytes:
    file = io.BytesIO()
    options: dict[str, Any] = {}
    kind = _FORMATS.get(suffix) or Image.registered_extensions()[f".{suffix.lower()}"]
    if suffix in ("jpg", "JPEG", "png") and rng.random() < 0.2:
        options["exif"] = _exif(rng)
    if kind == "PNG" and picture.mode in ("L", "1", "P", "I;16") and rng.random() < 0.3:
        options["transparency"] = rng.randrange(2)
    if kind in ("GIF", "TIFF") and rng.random() < 0.1:
        options |= {"save_all": True, "append_images": [picture]}
    picture.save(file, kind, **options)
    return file.getvalue()


def _exif(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return b"Exif\0\0" + rng.randbytes(rng.randint(0, 60))
    # An orientation of any number, of any type.
    kind, count, value = rng.randrange(14), rng.randrange(3), rng.randrange(12)
    entry = struct.pack("<HHII", 0x0112, kind, count, value)
    return b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + bytes(4)
