"""Numbers as the screen shows them: percent and durations."""

import math


def format_percent(fraction: float) -> str:
    """An accuracy in [0, 1] in percent; a dash where it was not measured."""
    return "-" if math.isnan(fraction) else f"{100 * fraction:.1f} %"


def format_duration(seconds: float) -> str:
    """Seconds as `12 s`, `3 min 05 s`, `7 h 12 min` or `3 d 4 h`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
