import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emtnas_hpc.errors import InputError
from emtnas_hpc.space.architecture import GENE_RANGES, decode, format_genotype, parse_genotype

ARCHITECTURES = st.tuples(*(st.integers(0, n - 1) for n in GENE_RANGES)).map(decode)
CELL = (
    "sep_3x3(x) + max_3x3(x_prev), dil_5x5(block0) + identity(x), avg_3x3(block1) + sep_7x7(x), "
    "dil_1x1(x) + dil_3x3(x), sep_5x5(block3) + identity(block0)"
)
LINE = f"reduction: {CELL}; normal: {CELL}"


@given(ARCHITECTURES)
def test_a_genotype_reads_back_as_the_architecture_it_was_written_from(architecture) -> None:
    text = format_genotype(architecture)
    assert parse_genotype(text) == architecture
    assert "\n" not in text


@given(ARCHITECTURES)
def test_a_genotype_survives_a_quoting_shell(architecture) -> None:
    text = format_genotype(architecture)
    assert shlex.split(f'"{text}"') == [text]


def test_a_written_line_comes_back_as_it_was() -> None:
    assert format_genotype(parse_genotype(LINE)) == LINE


def test_space_between_the_parts_is_free() -> None:
    tight = LINE.replace(" ", "")
    loose = re.sub(r"([:;,+()])", r" \1  ", LINE) + "\n"
    assert parse_genotype(tight) == parse_genotype(loose) == parse_genotype(LINE)


@pytest.mark.parametrize(
    ("found", "instead", "message"),
    [
        ("; normal", ", normal", "genotype: found 1 cells, expected 2 separated by ';'"),
        ("reduction:", "upsampling:", "genotype: found 'upsampling', expected 'reduction:'"),
        ("reduction: sep", "sep", "genotype: found 'sep_3x3(x) + .*', expected 'reduction:'"),
        (", dil_1x1(x)", " + dil_1x1(x)", "reduction cell: found 4 blocks, expected 5 separated"),
        (
            "dil_5x5(block0) + identity(x)",
            "dil_5x5(block0)",
            "genotype, reduction cell, block1: found 1 branches, expected 2 separated by '+'",
        ),
        (
            "sep_7x7(x)",
            "sep_9x9(x)",
            "reduction cell, block2: found 'sep_9x9', expected one of sep_3x3, sep_5x5, ",
        ),
        (
            "dil_5x5(block0)",
            "dil_5x5(block1)",
            "reduction cell, block1: found 'block1', expected one of x, x_prev, block0",
        ),
        ("sep_7x7(x)", "sep_7x7", "block2: found 'sep_7x7', expected operation(input), such as "),
    ],
)
def test_a_bad_line_says_where_and_what_was_expected(found, instead, message) -> None:
    pattern = re.escape(message).replace(r"\.\*", ".*")
    with pytest.raises(InputError, match=pattern):
        parse_genotype(LINE.replace(found, instead, 1))


def test_a_mistake_in_the_normal_cell_is_found_there() -> None:
    head, _, tail = LINE.rpartition("sep_7x7")
    with pytest.raises(InputError, match="genotype, normal cell, block2: found 'sep_8x8'"):
        parse_genotype(f"{head}sep_8x8{tail}")
