import pytest

from emtnas_hpc.report.load import Source, data_set, heading, is_impostor, is_medical


@pytest.mark.parametrize(
    ("text", "kind", "name", "official"),
    [
        ("torchvision:CIFAR10", "torchvision", "CIFAR10", "cifar10"),
        ("medmnist:PathMNIST", "medmnist", "PathMNIST", "pathmnist"),
        ("npz:/some/where/cifar10.npz", "npz", "cifar10.npz", None),
        ("images:photos/", "images", "photos", None),
        ("torchvision:SVHN", "torchvision", "SVHN", None),
    ],
)
def test_a_source_says_which_data_set_it_is(text, kind, name, official):
    source = Source.parse(text)
    assert (source.kind, source.name, source.official) == (kind, name, official)


def test_a_task_of_the_users_own_keeps_its_name():
    assert data_set("mine", Source.parse("npz:mine.npz")) == "mine"
    assert data_set("mine", Source.parse("torchvision:CIFAR100")) == "cifar100"


def test_headings_are_those_of_the_paper_where_it_has_one():
    assert [heading(name) for name in ("cifar10", "organamnist", "digits")] == [
        *("C-10", "Organ_A", "digits")
    ]


def test_only_a_name_of_the_paper_can_be_borrowed():
    other = Source.parse("npz:x.npz")
    assert is_impostor("cifar10", other)
    assert not is_impostor("mine", other)
    assert not is_impostor("cifar10", Source.parse("torchvision:CIFAR10"))


def test_medical_sets_are_known_by_source_or_by_the_papers_name():
    assert is_medical("breastmnist", Source.parse("medmnist:BreastMNIST"))
    assert is_medical("pathmnist", Source.parse("npz:x.npz"))
    assert not is_medical("mnist5k", Source.parse("package:mnist5k"))
