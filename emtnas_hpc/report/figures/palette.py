"""Colours by role, for light and dark pages; told apart by who sees no red or no green too."""

from emtnas_hpc.space import picture

#: Role -> colour on light, colour on dark.
ROLES: dict[str, tuple[str, str]] = {
    "ink": (picture.INK, "#e9e9ee"),
    "faint": (picture.FAINT, "#8f8f99"),
    "wire": (picture.WIRE, "#a3afbf"),
    "grid": ("#dcdce2", "#3a3a44"),
    "node": (picture.NODE, "#2a2a32"),
    "separable": (picture.FILLS["separable"], "#1f4464"),
    "dilated": (picture.FILLS["dilated"], "#6b3c17"),
    "pooling": (picture.FILLS["max_pool"], "#1d5646"),
    "identity": (picture.FILLS["identity"], "#4a4a55"),
    "series-0": ("#0072b2", "#56a8e0"),
    "series-1": ("#d55e00", "#ff9450"),
    "series-2": ("#009e73", "#3ecfa3"),
    "series-3": ("#b0568f", "#e59cc6"),
}
INK, FAINT, GRID = (ROLES[role][0] for role in ("ink", "faint", "grid"))
SERIES = tuple(light for role, (light, _dark) in ROLES.items() if role.startswith("series"))
#: From the first generation to the last: of one lightness, so that both ends show on any page.
EARLY, MIDDLE, LATE = "#2f7fd0", "#9b78a8", "#e5812a"
