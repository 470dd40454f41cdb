"""The figures' font, cut down to the letters of Western languages.

Every PDF takes its glyphs out of the whole font anew; out of a twentieth that is a third of the
time that a page with its figures takes.
"""

import atexit
import tempfile
from functools import cache
from pathlib import Path

from fontTools.subset import Options, Subsetter  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from matplotlib import font_manager

#: No other font's, so that both can be there; other letters come from the whole one.
NAME = "emtnas-hpc figures"
_WHOLE = "DejaVu Sans"
_LETTERS = (*range(0x20, 0x180), 0x2212)
#: Of the name table: the family's, the whole name, the typographic family's.
_NAME_IDS = (1, 4, 16)


@cache
def register_font() -> None:
    """Makes the font known to matplotlib, once a process."""
    # Read again whenever text is drawn; gone when the process is.
    folder = tempfile.TemporaryDirectory(prefix="emtnas-hpc-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "figures.ttf"
    _cut().save(path)
    font_manager.fontManager.addfont(path)


def _cut() -> TTFont:
    font = TTFont(font_manager.findfont(_WHOLE), recalcTimestamp=False)
    options = Options()
    options.name_IDs, options.layout_features = ["*"], []
    options.notdef_outline, options.hinting = True, False
    # It says when the font was made, and would be warned of.
    options.drop_tables += ["FFTM"]
    cutter = Subsetter(options)
    cutter.populate(unicodes=_LETTERS)
    cutter.subset(font)
    for record in font["name"].names:
        if record.nameID in _NAME_IDS:
            record.string = NAME
    return font
