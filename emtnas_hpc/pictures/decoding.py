"""From a picture's file to the bytes of a square RGB image."""

from pathlib import Path

from PIL import Image

from emtnas_hpc.errors import DataError, shown
from emtnas_hpc.pictures.crop import middle, scaled_around_middle
from emtnas_hpc.pictures.opening import EIGHT_BITS, depth_of, on_white, opened
from emtnas_hpc.pictures.picture import Picture

#: Pixels that a picture may have once it is scaled; a thread of pixels would become a wall.
_MOST_PIXELS = 2**28


def decode(picture: Picture, size: int) -> bytes:
    """Reads a picture, RGB whatever its file has.

    Args:
        picture: which, and what of it.
        size: edge of the image.

    Returns:
        Rows of pixels, `size * size * 3` bytes.

    Raises:
        DataError: the file is missing, has changed, is no picture, or one of more than 8 bits.
    """
    content = _read(picture)
    with opened(picture.path, content) as file:
        depth = depth_of(file, picture.path)
        if depth != EIGHT_BITS:
            # Their range could only be found by reading all pictures.
            raise DataError(
                f"{shown(picture.path)} has {depth} values, expected pictures of 8 bits; convert "
                "all of them by one rule, or prepare the folder as images:DIR, which finds one"
            )
        return _seen(on_white(file, "RGB")[0], picture, size).tobytes()


def _read(picture: Picture) -> bytes:
    try:
        content = Path(picture.path).read_bytes()
    except OSError as error:
        raise DataError(f"{shown(picture.path)} cannot be read ({error.strerror})") from None
    if len(content) != picture.n_bytes:
        raise DataError(
            f"{shown(picture.path)} has {len(content)} bytes, expected {picture.n_bytes} as when "
            "it was listed"
        )
    return content


def _seen(whole: Image.Image, picture: Picture, size: int) -> Image.Image:
    bilinear, crop = Image.Resampling.BILINEAR, picture.crop
    if crop is None:
        width, height = scaled_around_middle(whole.width, whole.height, size)
        if width * height > _MOST_PIXELS:
            raise DataError(
                f"{shown(picture.path)} is {whole.width} x {whole.height}, too long and narrow to "
                "be scaled"
            )
        scaled = whole.resize((width, height), bilinear)
        return scaled.crop(middle(width, height, size, size))
    seen = whole.crop(crop.box(whole.width, whole.height)).resize((size, size), bilinear)
    return seen.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if crop.flip else seen
