import keyword

import pytest

from emtnas_hpc.export.spec import module_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("digits-n2-quick", "digits_n2_quick"),
        ("digits-n2-quick+learning_rate=0.1", "digits_n2_quick_learning_rate_0_1"),
        ("3d-shapes-n1-long", "network_3d_shapes_n1_long"),
        ("+", "network"),
        ("_private_", "private"),
    ],
)
def test_a_folder_becomes_a_name_that_python_can_import(text, name):
    assert module_name(text) == name
    assert name.isidentifier()


def test_a_long_name_is_cut_and_stays_one_of_its_kind():
    first, second = module_name("a" * 120), module_name("a" * 121)
    assert first != second
    assert len(first) == len(second) == 64
    assert module_name(first) == first


def test_a_word_of_python_is_no_name():
    assert not keyword.iskeyword(module_name("class"))
    assert module_name(module_name("class")) == module_name("class")
