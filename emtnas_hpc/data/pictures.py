"""Picture files of any kind: opened, turned upright, laid over white, brought to 8 bits."""

import io
import math
import warnings
from collections.abc import Iterable, Iterator
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

#: Pixels that a picture may have once it is scaled: a very long one would not fit into memory.
_MOST_PIXELS = 2**28

SEVERAL_FRAMES = "with several frames, of which the first is read"
UPPER_BITS = "of 16 bits in colour, of which the upper 8 are read"
ODD_EXIF = "with EXIF that cannot be read, taken as they lie in their files"
TRANSPARENT = "transparent in parts, laid over white"


@dataclass(frozen=True)
class Conversion:
    """The rule by which the values of all pictures of a folder become 0 to 255.

    Values of 8 bits are taken as they are. Pictures of 16 or 32 bits or of floats have no 8-bit
    values of their own, and Pillow would clip them to white or black: of them the least value of
    all pictures becomes 0, and the largest 255.
    """

    mode: str
    depth: str = EIGHT_BITS
    lowest: float = 0.0
    highest: float = 0.0

    def __str__(self) -> str:
        if self.depth == EIGHT_BITS:
            return ""
        return f"{self.depth} values {self.lowest:,.6g} to {self.highest:,.6g} brought to 0 to 255"

    @classmethod
    def of(cls, paths: Iterable[Path]) -> "Conversion":
        """Finds the rule for these pictures; decodes those of more than 8 bits.

        Raises:
            DataError: one cannot be read, has pixels that are no numbers, or another depth than
                the rest, whose values cannot be compared with its own.
        """
        first: dict[str, Path] = {}
        lowest, highest, is_grey = math.inf, -math.inf, True
        for path in paths:
            with opened(path) as picture:
                first.setdefault(depth_of(picture, path), path)
                if len(first) > 1:
                    (one, before), (other, _path) = first.items()
                    raise DataError(
                        f"{shown(before)} is {one} and {shown(path)} is {other}, expected one "
                        "depth in all pictures, as their values cannot be compared; convert them "
                        "by one rule"
                    )
                if EIGHT_BITS in first:
                    is_grey = is_grey and picture.mode in _GREY_MODES
                    continue
                values = _deep_values(picture, _is_unsigned(picture))
                values = values[values != _transparent(picture)]
                if not np.isfinite(values).all():
                    raise DataError(
                        f"{shown(path)} has pixels that are not finite (NaN or infinite), expected "
                        "numbers alone; give them a value"
                    )
                if values.size:
                    lowest, highest = min(lowest, values.min()), max(highest, values.max())
        (depth,) = first
        if depth == EIGHT_BITS:
            return cls("L" if is_grey else "RGB")
        # Without a value all pixels are transparent.
        return cls("L", depth, *map(float, (lowest, highest) if lowest <= highest else (0, 0)))

    def read(self, path: Path, size: int) -> tuple[NDArray[np.uint8], set[str]]:
        """Reads a picture scaled to a square.

        Returns:
            (size, size, 1 or 3), and remarks on the picture for the user.
        """
        with opened(path) as picture:
            # First: loading a picture clears what its tiles say of its depth.
            tiles = getattr(picture, "tile", ())
            has_16_bits = any(";16" in str(tile[3]) for tile in tiles)
            is_cut = has_16_bits and picture.mode not in _DEEP_MODES
            remarks = {UPPER_BITS} if is_cut else set()
            if self.depth == EIGHT_BITS:
                flat, is_transparent = on_white(_upright(picture, remarks), self.mode)
            else:
                flat, is_transparent = self._scale_values(picture, remarks)
            if is_transparent:
                remarks.add(TRANSPARENT)
            square = flat.resize((size, size), Image.Resampling.BILINEAR)
            _count_frames(picture, remarks)
        pixels = np.rint(np.asarray(square)).clip(0, 255).astype(np.uint8)
        return pixels.reshape(size, size, -1), remarks

    def _scale_values(self, picture: Image.Image, remarks: set[str]) -> tuple[Image.Image, bool]:
        # A picture that was turned upright knows neither its format nor its tags.
        transparent, unsigned = _transparent(picture), _is_unsigned(picture)
        inverted = _is_white_zero(picture)
        pixels = _deep_values(_upright(picture, remarks), unsigned)
        # A range of a single value becomes black; the warnings of the whole set say so.
        scaled = (pixels - self.lowest) * (255 / (self.highest - self.lowest or 1.0))
        # Pillow inverts pictures of 8 bits itself.
        if inverted:
            scaled = 255 - scaled
        is_ground = pixels == transparent
        scaled[is_ground] = 255
        return Image.fromarray(scaled.astype(np.float32)), bool(is_ground.any())


def decode(picture: PictureFile, size: int) -> bytes:
    """Reads a picture as `size * size * 3` bytes, RGB whatever its file has.

    Raises:
        DataError: the file is missing, has changed, is no picture, or one of more than 8 bits.
    """
    with user_file_errors(picture.path):
        content = Path(picture.path).read_bytes()
    if len(content) != picture.n_bytes:
        raise DataError(
            f"{shown(picture.path)} has {len(content)} bytes, expected {picture.n_bytes} as when "
            "it was listed"
        )
    with opened(picture.path, content) as file:
        depth = depth_of(file, picture.path)
        if depth != EIGHT_BITS:
            # Their range could only be found by reading all pictures.
            raise DataError(
                f"{shown(picture.path)} has {depth} values, expected pictures of 8 bits; convert "
                "all of them by one rule, or prepare the folder as images:DIR, which finds one"
            )
        return _cut_out(on_white(file, "RGB")[0], picture, size).tobytes()


def _cut_out(whole: Image.Image, picture: PictureFile, size: int) -> Image.Image:
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
    cut = whole.crop(crop.box(whole.width, whole.height)).resize((size, size), bilinear)
    return cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if crop.flip else cut


@contextmanager
def opened(path: str | Path, content: bytes | None = None) -> Iterator[Image.Image]:
    """Opens a picture, by its content if that has been read already.

    Raises:
        DataError: naming the file, for whatever is wrong with it within the block.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of unusual metadata; what it cannot decode is an error anyway.
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


def _count_frames(picture: Image.Image, remarks: set[str]) -> None:
    """Looks for a second frame, which may be damaged: only the first is read."""
    if picture.format in _FRAMES_OF_ONE_PICTURE:
        return
    try:
        several = bool(getattr(picture, "is_animated", False))
    except Exception:  # noqa: BLE001
        several = True
    if several:
        remarks.add(SEVERAL_FRAMES)


def _upright(picture: Image.Image, remarks: set[str]) -> Image.Image:
    """Turned as its camera says; EXIF that is damaged says nothing."""
    picture.load()
    try:
        method = _UPRIGHT.get(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001
        remarks.add(ODD_EXIF)
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
    words = " ".join(str(error).split())
    return words if words and words.isprintable() else type(error).__name__


def _start(path: str | Path) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(4)
    except OSError:
        return b""
