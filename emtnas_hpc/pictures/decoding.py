"""From a picture's file to the bytes of a square RGB image."""

import io
import struct
import warnings
import zlib
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from emtnas_hpc.errors import DataError
from emtnas_hpc.pictures.crop import Crop, middle, scaled_around_middle
from emtnas_hpc.pictures.picture import Picture

#: What Pillow raises on files that are no picture, cut off, or damaged inside.
_UNREADABLE = (
    *(OSError, EOFError, ValueError, SyntaxError, IndexError, struct.error, zlib.error),
    Image.DecompressionBombError,
)


def decode(picture: Picture, size: int) -> bytes:
    """Reads a picture, RGB whatever its file has.

    Args:
        picture: which, and what of it.
        size: edge of the image.

    Returns:
        Rows of pixels, `size * size * 3` bytes.

    Raises:
        DataError: the file is missing, has changed, or is no picture.
    """
    content = _read(picture)
    try:
        with warnings.catch_warnings():
            # Of odd metadata; what cannot be decoded is an error.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as file:
                seen = _seen(file.convert("RGB"), picture.crop, size)
    except _UNREADABLE as error:
        # Pillow's own words name an object in memory.
        reason = "no format that is known" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(f"{picture.path} cannot be read as a picture ({reason})") from None
    return seen.tobytes()


def _read(picture: Picture) -> bytes:
    try:
        content = Path(picture.path).read_bytes()
    except OSError as error:
        raise DataError(f"{picture.path} cannot be read ({error.strerror})") from None
    if len(content) != picture.n_bytes:
        raise DataError(
            f"{picture.path} has {len(content)} bytes, expected {picture.n_bytes} as when it was "
            "listed"
        )
    return content


def _seen(whole: Image.Image, crop: Crop | None, size: int) -> Image.Image:
    bilinear = Image.Resampling.BILINEAR
    if crop is None:
        scaled = whole.resize(scaled_around_middle(whole.width, whole.height, size), bilinear)
        return scaled.crop(middle(scaled.width, scaled.height, size, size))
    seen = whole.crop(crop.box(whole.width, whole.height)).resize((size, size), bilinear)
    return seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if crop.flip else seen
