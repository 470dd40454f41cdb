import pytest
from fake_runs import SHORT, make_run

from emtnas_hpc.report.data_sets import data_set, heading, is_impostor, is_medical
from emtnas_hpc.report.load import read_run


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("torchvision:CIFAR100", "cifar100"),
        ("medmnist:PathMNIST", "pathmnist"),
        ("npz:cifar10.npz", "mine"),
        ("images:photos", "mine"),
        ("torchvision:SVHN", "mine"),
    ],
)
def test_a_source_says_which_data_set_a_task_is_else_it_keeps_its_name(source, name):
    assert data_set("mine", source) == name


@pytest.mark.parametrize(
    ("given", "kept"),
    [("npz:/some/where/tiny.npz", "npz:tiny.npz"), ("images:/my/photos/", "images:photos")],
)
def test_of_a_path_only_the_last_part_is_kept(tmp_path, given, kept):
    directory = make_run(tmp_path, "cifar10-single", SHORT, f"task.cifar10.source={given}")
    assert read_run(directory, []).sources == (kept,)


def test_headings_are_those_of_the_paper_where_it_has_one():
    assert [heading(name) for name in ("cifar10", "organamnist", "digits")] == [
        *("C-10", "Organ_A", "digits")
    ]


def test_only_a_name_of_the_paper_can_be_borrowed():
    assert is_impostor("cifar10", "npz:x.npz")
    assert not is_impostor("mine", "npz:x.npz")
    assert not is_impostor("cifar10", "torchvision:CIFAR10")


def test_medical_sets_are_known_by_source_or_by_the_papers_name():
    assert is_medical("breastmnist", "medmnist:BreastMNIST")
    assert is_medical("pathmnist", "npz:x.npz")
    assert not is_medical("mnist5k", "package:mnist5k")
