"""How results are laid out on stdout: to a terminal's width, never cut off in a pipe or file."""

from rich import box
from rich.console import Console
from rich.table import Table

#: Of anything that is no terminal: tables take what they need of it.
_ENDLESS = 1000


def open_screen() -> Console:
    """A console on stdout."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _ENDLESS
    return console


def make_table() -> Table:
    """An empty table that leaves the width to its contents."""
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
