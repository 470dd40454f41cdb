"""What others call the parts of a data set."""

import re
from collections.abc import Callable, Collection

from emtnas_hpc.data.images import Split
from emtnas_hpc.errors import DataError

_WORDS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "dev": "val",
    "development": "val",
    "test": "test",
    "testing": "test",
}
#: Some mean validation by them, others the test.
_AMBIGUOUS = frozenset({"eval", "evaluation"})

_NO_LETTER = re.compile(r"[\W\d_]+")
_OF_WHAT = re.compile(r"(set|data|images|imgs|pictures)$")


def part_called(name: str) -> Split | None:
    """The part that a name means, in any case and spelling: `Train`, `valid`, `test_set`."""
    return _WORDS.get(_word(name))


def parts_called(
    names: Collection[str], where: str, word: Callable[[str], str] = str
) -> dict[Split, str]:
    """The name of each part among others.

    Args:
        names: to choose from.
        where: they are, for messages.
        word: what of a name tells its part.

    Raises:
        DataError: two mean the same part, or one might mean either of two.
    """
    parts: dict[Split, str] = {}
    for name in sorted(names):
        part = part_called(word(name))
        if part is None:
            continue
        if part in parts:
            raise DataError(
                f"{where} has {parts[part]!r} and {name!r}, which both mean {part}, expected one; "
                "rename or move the other"
            )
        parts[part] = name
    unclear = [name for name in sorted(names) if _word(word(name)) in _AMBIGUOUS]
    if unclear and not parts.keys() >= {"val", "test"}:
        raise DataError(
            f"{where} has {unclear[0]!r}, which may mean validation or test; rename it to val or "
            "test"
        )
    return parts


def _word(name: str) -> str:
    return _OF_WHAT.sub("", _NO_LETTER.sub("", name.lower()))
