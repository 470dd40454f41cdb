"""An architecture as one line of text and back.

    reduction: sep_3x3(x) + max_3x3(x_prev), dil_5x5(block0) + identity(x), ...; normal: ...

Five blocks a cell, two branches a block, each an operation and what it reads. Space is free between
the parts; in a shell the line needs quotes.
"""

import re
from collections.abc import Sequence

from emtnas_hpc.errors import InputError
from emtnas_hpc.space.architecture import INPUT_NAMES, N_CELL_INPUTS, Architecture, Cell, Edge
from emtnas_hpc.space.chromosome import N_BLOCKS
from emtnas_hpc.space.operations import OPERATIONS

CELL_NAMES = ("reduction", "normal")
OPERATION_NAMES = tuple(operation.name for operation in OPERATIONS)

_BRANCH = re.compile(r"(\w+)\s*\(\s*(\w+)\s*\)")


def format_genotype(architecture: Architecture) -> str:
    """Writes an architecture as one line, reduction cell first."""
    cells = (architecture.reduction, architecture.normal)
    return "; ".join(
        f"{name}: " + ", ".join(f"{a} + {b}" for a, b in cell.blocks)
        for name, cell in zip(CELL_NAMES, cells, strict=True)
    )


def parse_genotype(text: str) -> Architecture:
    """Reads the line that `format_genotype` wrote.

    Raises:
        InputError: the text is not such a line; says where, what was found, what was expected.
    """
    cells = _split(text, ";", len(CELL_NAMES), "genotype", "cells")
    return Architecture(
        *(_parse_cell(part, name) for part, name in zip(cells, CELL_NAMES, strict=True))
    )


def _parse_cell(text: str, name: str) -> Cell:
    label, _colon, body = text.partition(":")
    if label.strip() != name:
        raise _unexpected("genotype", label, f"'{name}:'")
    where = f"genotype, {name} cell"
    blocks = _split(body, ",", N_BLOCKS, where, "blocks")
    return Cell(
        tuple(
            _parse_block(part, block, f"{where}, block{block}") for block, part in enumerate(blocks)
        )
    )


def _parse_block(text: str, block: int, where: str) -> tuple[Edge, Edge]:
    a, b = _split(text, "+", 2, where, "branches")
    return _parse_branch(a, block, where), _parse_branch(b, block, where)


def _parse_branch(text: str, block: int, where: str) -> Edge:
    match = _BRANCH.fullmatch(text.strip())
    if match is None:
        raise _unexpected(where, text, "operation(input), such as sep_3x3(x)")
    operation, source = match.groups()
    return Edge(
        block,
        _index(INPUT_NAMES[: N_CELL_INPUTS + block], source, where),
        _index(OPERATION_NAMES, operation, where),
    )


def _split(text: str, separator: str, n: int, where: str, what: str) -> list[str]:
    parts = text.split(separator)
    if len(parts) != n:
        raise InputError(
            f"{where}: found {len(parts)} {what}, expected {n} separated by '{separator}'"
        )
    return parts


def _index(names: Sequence[str], found: str, where: str) -> int:
    if found not in names:
        raise _unexpected(where, found, f"one of {', '.join(names)}")
    return names.index(found)


def _unexpected(where: str, found: str, expected: str) -> InputError:
    return InputError(f"{where}: found {found.strip()!r}, expected {expected}")
