"""An SVG document as a part of a page: its colours, fonts and width become the page's."""

import re
from html import escape

from emtnas_hpc.report.figures.palette import ROLES

_ROOT = re.compile(r"<svg\b[^>]*>")
_VIEW_BOX = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
#: What says something of the document, or would hold for the whole page.
_NOT_OURS = re.compile(r"<(metadata|title|style)\b.*?</\1>|<!--.*?-->", re.DOTALL)
_ID = re.compile(r' id="([^"]*)"')
_REFERENCE = re.compile(r'(?<=url\(#)[^)]*|(?<=href="#)[^"]*')
_FONT = re.compile(r"font: ([\w. ]*?[\d.]+px)[^;\"]*")
_FAMILY = re.compile(r"font-family: [^;\"]*")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")

_ROLE_OF = {light: role for role, (light, _dark) in ROLES.items()}


def inline_svg(document: str, name: str, alt: str) -> str:
    """An `<svg>` element to be put into a page.

    Args:
        document: of matplotlib, or of `space.picture`.
        name: of the figure; no other one on the page has it.
        alt: what is read out in its place.
    """
    root = _ROOT.search(document)
    box = _VIEW_BOX.search(document)
    if root is None or box is None:
        raise ValueError(f"{name} is no SVG document with a viewBox from 0 0")
    body = _with_own_ids(_NOT_OURS.sub("", document[root.end() :]), name)
    body = _FONT.sub(r"font: \1 var(--font)", body)
    body = _FAMILY.sub("font-family: var(--font)", body)
    body = _COLOUR.sub(_by_role, body)
    start = (
        f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {box[1]} {box[2]}" '
        f'width="{box[1]}" height="{box[2]}" role="img" aria-label="{escape(alt)}" '
        'stroke-linejoin="round">'
    )
    return start + body.strip()


def colour_variables(dark: bool) -> str:
    """CSS declarations of all colours of figures."""
    return " ".join(f"--{role}: {colours[dark]};" for role, colours in ROLES.items())


def _by_role(colour: re.Match[str]) -> str:
    role = _ROLE_OF.get(colour[0])
    return f"var(--{role})" if role else colour[0]


def _with_own_ids(body: str, name: str) -> str:
    """Keeps the ids that are referred to, and makes them the figure's own."""
    used = set(_REFERENCE.findall(body))

    def rename(match: re.Match[str]) -> str:
        return f' id="{name}-{match[1]}"' if match[1] in used else ""

    return _REFERENCE.sub(lambda match: f"{name}-{match[0]}", _ID.sub(rename, body))
