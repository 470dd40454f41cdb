"""Time limits as SLURM writes them, in whole minutes, and what is set beside them."""

import re

#: The forms of `man sbatch`: 90, 90:00, 24:00:00, 1-12, 1-12:30, 1-12:30:00.
_FORM = re.compile(r"(?:(?P<days>\d+)-)?(?P<a>\d+)(?::(?P<b>\d+))?(?::(?P<c>\d+))?")
_ENDLESS = frozenset({"UNLIMITED", "INFINITE"})


def parse_limit(text: str) -> int | None:
    """Minutes of a limit, seconds rounded up as SLURM does; None where there is none.

    Raises:
        ValueError: it is not one of SLURM's forms.
    """
    text = text.strip()
    if text.upper() in _ENDLESS:
        return None
    match = _FORM.fullmatch(text)
    if not match:
        raise ValueError("a time limit such as 90 (minutes), 24:00:00 or 1-12")
    a, b, c = (int(match[name] or 0) for name in "abc")
    if match["days"] or match["c"]:
        hours, minutes, seconds = a, b, c
    else:
        hours, minutes, seconds = 0, a, b
    hours += 24 * int(match["days"] or 0)
    return 60 * hours + minutes + -(-seconds // 60)


def format_limit(minutes: int) -> str:
    """`1-00:00:00` or `01:30:00`, as SLURM shows it."""
    days, rest = divmod(minutes, 24 * 60)
    clock = f"{rest // 60:02d}:{rest % 60:02d}:00"
    return f"{days}-{clock}" if days else clock


def format_minutes(seconds: float) -> str:
    """`90 s`, `14 min` or `14 min 20 s`: a duration to be compared with a limit."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
