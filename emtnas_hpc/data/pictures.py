"""Picture files of any kind: opened, turned upright, laid over white, brought to 8 bits."""

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from emtnas_hpc.checkpoint.os_errors import refusal, user_file_errors
from emtnas_hpc.data.images import PictureFile, middle, scaled_around_middle
from emtnas_hpc.errors import DataError, shown

#: The depth of pictures whose values are taken as they are.
EIGHT_BITS = "8-bit"

_GREY_MODES = frozenset({"1", "L", "LA", "La"})
_DEEP_MODES = {"I;16": "16-bit", "I;16L": "16-bit", "I;16B": "16-bit", "I;16N": "16-bit"} | {
    "I": "32-bit",
    "F": "floating-point",
}
_LAYERED_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
#: Formats whose values Pillow scales to all 16 bits, whatever the file uses of them.
_SCALED_FORMATS = frozenset({"PPM", "JPEG2000"})
#: Their second frame is a smaller copy, or one for the other eye.
_FRAMES_OF_ONE_PICTURE = frozenset({"MPO"})

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_PHOTOMETRIC, _SAMPLE_FORMAT = 262, 339
_WHITE_IS_ZERO, _SIGNED = 0, 2
_TIFF = (b"II*\0", b"MM\0*")
_LFS = b"vers"

SEVERAL_FRAMES = "with several frames, of which the first is read"
UPPER_BITS = "of 16 bits in colour, of which the upper 8 are read"
ODD_EXIF = "with EXIF that cannot be read, taken as they lie in their files"
TRANSPARENT = "transparent in parts, laid over white"


@dataclass(frozen=True)
class Look:
    """What a picture is, asked before it is decoded.

    A picture of 16 or 32 bits or of floats has no 8-bit values of its own, and Pillow would clip it
    to white or black.

    Attributes:
        depth: of its values, in words.
        is_grey: whether it has no colours.
        lowest: of its values of more than 8 bits; transparent pixels do not count.
        highest: likewise.
    """

    depth: str
    is_grey: bool
    lowest: float = math.inf
    highest: float = -math.inf


@contextmanager
def opened(path: str | Path, content: bytes | None = None) -> Iterator[Image.Image]:
    """Opens a picture, by its content if that has been read already.

    Raises:
        DataError: naming the file, for whatever is wrong with it within the block.
    """
    try:
        with warnings.catch_warnings():
            # Of odd metadata; what cannot be decoded is an error.
            warnings.simplefilter("ignore")
            with Image.open(path if content is None else io.BytesIO(content)) as picture:
                yield picture
    except DataError:
        raise
    # Damaged files make Pillow raise anything: KeyError, struct.error, ZeroDivisionError, ...
    except Exception as error:  # noqa: BLE001
        if isinstance(error, OSError) and error.errno:
            raise DataError(refusal(path, error)) from None
        reason = _reason(error, content[:4] if content is not None else _start(path))
        raise DataError(f"{shown(path)} cannot be read as a picture ({reason})") from None


def look_at(path: Path) -> Look:
    """Finds out what a picture is; decodes one of more than 8 bits.

    Raises:
        DataError: it cannot be read, or has pixels that are no numbers.
    """
    with opened(path) as picture:
        depth = depth_of(picture, path)
        if depth == EIGHT_BITS:
            return Look(depth, picture.mode in _GREY_MODES)
        values = _deep_values(picture, _is_unsigned(picture))
        values = values[values != _transparent(picture)]
        if not np.isfinite(values).all():
            raise DataError(
                f"{shown(path)} has pixels that are not finite (NaN or infinite), expected numbers "
                "alone; give them a value"
            )
        if not values.size:
            return Look(depth, True)
        return Look(depth, True, float(values.min()), float(values.max()))


def depth_of(picture: Image.Image, path: str | Path) -> str:
    """What kind of values an opened picture has; only those of one kind can be compared.

    Raises:
        DataError: of a kind that Pillow reads wrongly or cannot convert.
    """
    mode, kind = picture.mode, picture.format
    if mode not in _DEEP_MODES:
        if _tag(picture, _SAMPLE_FORMAT) == _SIGNED:
            raise DataError(f"{shown(path)} has signed 8-bit values, expected 0 to 255; convert it")
        if any(str(tile[3]).startswith("LA;16") for tile in getattr(picture, "tile", ())):
            raise DataError(
                f"{shown(path)} has grey values of 16 bits with transparency, of which 8 would be "
                "lost, expected them without; save it as 16-bit grey"
            )
        if mode == "LAB":
            raise DataError(f"{shown(path)} is in LAB colours, expected RGB or grey; convert it")
        return EIGHT_BITS
    # Until Pillow 10 a PNG of 16 bits was opened in the mode of 32.
    depth = "16-bit" if mode == "I" and kind in ("PNG", "PPM") else _DEEP_MODES[mode]
    if kind in _SCALED_FORMATS and mode != "F":
        depth = f"{depth} {kind}"
    return f"{depth} white-is-zero" if _is_white_zero(picture) else depth


def square_of_8_bits(path: Path, mode: str, size: int) -> tuple[NDArray[np.uint8], set[str]]:
    """Reads a picture with values of 8 bits, in the mode "L" or "RGB", scaled to a square.

    Returns:
        (size, size, 1 or 3), and in words what else there is to say of the picture.
    """
    with opened(path) as picture:
        said = _oddities(picture)
        turned = _upright(picture, said)
        flat, was_transparent = on_white(turned, mode)
        pixels = np.asarray(flat.resize((size, size), Image.Resampling.BILINEAR), np.uint8)
        _count_frames(picture, said)
    return pixels.reshape(size, size, -1), said | ({TRANSPARENT} if was_transparent else set())


def square_of_range(
    path: Path, values: tuple[float, float], size: int
) -> tuple[NDArray[np.uint8], set[str]]:
    """Reads a picture of more than 8 bits: the first value becomes 0, the second 255, linearly.

    Returns:
        (size, size, 1), and in words what else there is to say of the picture.
    """
    with opened(path) as picture:
        said = _oddities(picture)
        transparent, unsigned = _transparent(picture), _is_unsigned(picture)
        # Of 8 bits Pillow turns it round itself.
        inverted = _is_white_zero(picture)
        pixels = _deep_values(_upright(picture, said), unsigned)
        lowest, highest = values
        # A range of a single value is black; that nothing is to be seen is said of the whole set.
        scaled = (pixels - lowest) * (255 / (highest - lowest or 1.0))
        if inverted:
            scaled = 255 - scaled
        if (pixels == transparent).any():
            scaled[pixels == transparent] = 255
            said.add(TRANSPARENT)
        square = Image.fromarray(scaled.astype(np.float32))
        square = square.resize((size, size), Image.Resampling.BILINEAR)
        _count_frames(picture, said)
    rounded = np.rint(np.asarray(square)).clip(0, 255).astype(np.uint8)
    return rounded.reshape(size, size, 1), said


def on_white(picture: Image.Image, mode: str) -> tuple[Image.Image, bool]:
    """A picture of 8 bits in the mode "L" or "RGB", laid over white as viewers show it.

    Returns:
        The picture, and whether anything of it was transparent; where nothing was, its colours are
        those of the file, bit for bit.
    """
    if picture.mode not in _LAYERED_MODES and "transparency" not in picture.info:
        return picture.convert(mode), False
    plain = _PREMULTIPLIED.get(picture.mode)
    straight = picture.convert(plain) if plain else picture
    layered = straight.convert("RGBA")
    opacity = layered.getchannel("A")
    if opacity.getextrema() == (255, 255):
        return straight.convert(mode), False
    white = Image.new(mode, picture.size, "white")
    white.paste(layered.convert(mode), mask=opacity)
    return white, True


def _deep_values(picture: Image.Image, unsigned: bool) -> NDArray[np.float64]:
    values = np.asarray(picture)
    return (values.view(np.uint32) if unsigned else values).astype(np.float64)


def _is_unsigned(picture: Image.Image) -> bool:
    """Pillow knows no unsigned values of 32 bits, and hands over their bytes."""
    return (picture.mode, picture.format) == ("I", "TIFF") and _tag(
        picture, _SAMPLE_FORMAT
    ) != _SIGNED


def _is_white_zero(picture: Image.Image) -> bool:
    return _tag(picture, _PHOTOMETRIC) == _WHITE_IS_ZERO


def _transparent(picture: Image.Image) -> float:
    """The value that a deep picture shows as its ground; NaN, equal to none, without one."""
    value = picture.info.get("transparency")
    return value if isinstance(value, int) else math.nan


def _tag(picture: Image.Image, number: int) -> int | None:
    """The first value of a TIFF's tag."""
    value = getattr(picture, "tag_v2", {}).get(number)
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) else None


def _oddities(picture: Image.Image) -> set[str]:
    deep = any(";16" in str(tile[3]) for tile in getattr(picture, "tile", ()))
    return {UPPER_BITS} if deep and picture.mode not in _DEEP_MODES else set()


def _count_frames(picture: Image.Image, said: set[str]) -> None:
    """Looks for a second frame, which may be damaged: only the first is read."""
    if picture.format in _FRAMES_OF_ONE_PICTURE:
        return
    try:
        several = bool(getattr(picture, "is_animated", False))
    except Exception:  # noqa: BLE001
        several = True
    if several:
        said.add(SEVERAL_FRAMES)


def _upright(picture: Image.Image, said: set[str]) -> Image.Image:
    """Turned as its camera says; EXIF that is damaged says nothing."""
    picture.load()
    try:
        method = _UPRIGHT.get(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001
        said.add(ODD_EXIF)
        return picture
    return picture if method is None else picture.transpose(method)


def _reason(error: Exception, start: bytes) -> str:
    if isinstance(error, UnidentifiedImageError):
        if not start:
            return "the file is empty"
        # Pillow's own words name an object in memory.
        if start in _TIFF:
            return "a TIFF with values of a kind that is not known; convert it to PNG"
        if start == _LFS:
            return "it seems to be a pointer of Git LFS; fetch the file itself with git lfs pull"
        return "no format that is known"
    if isinstance(error, Image.DecompressionBombError):
        return "more than 178 million pixels; scale it down"
    if isinstance(error, MemoryError):
        return "there is not enough memory for it"
    said = " ".join(str(error).split())
    return said if said and said.isprintable() else type(error).__name__


def _start(path: str | Path) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(4)
    except OSError:
        return b""


#: Pixels that a picture may have once it is scaled; a thread of pixels would become a wall.
_MOST_PIXELS = 2**28


def decode(picture: PictureFile, size: int) -> bytes:
    """Reads a picture as `size * size * 3` bytes, RGB whatever its file has.

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


def _read(picture: PictureFile) -> bytes:
    with user_file_errors(picture.path):
        content = Path(picture.path).read_bytes()
    if len(content) != picture.n_bytes:
        raise DataError(
            f"{shown(picture.path)} has {len(content)} bytes, expected {picture.n_bytes} as when "
            "it was listed"
        )
    return content


def _seen(whole: Image.Image, picture: PictureFile, size: int) -> Image.Image:
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
