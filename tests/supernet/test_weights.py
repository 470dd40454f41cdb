import pickle

import pytest
import torch

from emtnas_hpc.errors import DamagedError
from emtnas_hpc.supernet.weights import load_weights, save_weights, weights_differences


def state(**changes):
    values = {
        "weights": torch.arange(40, dtype=torch.float32),
        "weights_layout": [("stem", 0, (16,)), ("cell.slice", 16, (24,))],
        "note": 1,
    }
    return {**values, **changes}


@pytest.fixture
def difference(tmp_path):
    def compare(**changes):
        save_weights(state(), tmp_path / "a.pt")
        save_weights(state(**changes), tmp_path / "b.pt")
        return list(weights_differences(tmp_path / "a.pt", tmp_path / "b.pt"))

    return compare


def test_equal_weights_have_no_difference(difference):
    assert difference() == []


def test_the_first_weight_that_differs_is_named_by_its_tensor(difference):
    weights = torch.arange(40, dtype=torch.float32)
    weights[30] = -1
    assert difference(weights=weights) == ["a.pt: weights: cell.slice is 30.0 against -1.0"]


def test_zeros_of_different_sign_differ(difference):
    weights = torch.arange(40, dtype=torch.float32)
    weights[0] = -0.0
    assert difference(weights=weights) == ["a.pt: weights: stem is 0.0 against -0.0"]


def test_another_shape_type_or_plain_value_is_named(difference):
    assert difference(weights=torch.zeros(3)) == ["a.pt: weights has another shape or type"]
    assert difference(weights=torch.zeros(40).double()) == [
        "a.pt: weights has another shape or type"
    ]
    assert difference(note=2) == ["a.pt: note"]


@pytest.mark.parametrize("content", [b"", b"noise", pickle.dumps({"a": 1}, protocol=2)])
def test_a_file_that_is_no_weights_is_named(tmp_path, content):
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(DamagedError, match=r"a\.pt cannot be read as weights"):
        load_weights(tmp_path / "a.pt")


def test_nothing_is_unpickled(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (print, ("harm",))

    torch.save({"weights": Harmful()}, tmp_path / "a.pt")
    with pytest.raises(DamagedError, match="cannot be read as weights"):
        load_weights(tmp_path / "a.pt")


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "a.pt")
    with pytest.raises(DamagedError, match="holds list, expected a table of weights"):
        load_weights(tmp_path / "a.pt")
