import pickle

import pytest
import torch
from torch import nn

from emtnas_hpc.errors import DamagedError
from emtnas_hpc.supernet.weights import (
    allocate,
    load_weights,
    pack_buffers,
    pack_parameters,
    plan_layout,
    save_weights,
    view,
    weights_differences,
)


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


def test_every_tensor_begins_on_a_cache_line_and_none_overlap():
    layout = plan_layout([("a", torch.empty(3)), ("b", torch.empty(16)), ("c", torch.empty(2))])
    assert layout == [("a", 0, (3,)), ("b", 16, (16,)), ("c", 32, (2,))]
    block = allocate(layout, torch.float32, torch.device("cpu"))
    assert len(block) == 48
    for _name, offset, shape in layout:
        assert view(block, offset, shape).data_ptr() % 64 == block.data_ptr() % 64 == 0


def test_packed_parameters_are_views_that_share_the_block():
    module = nn.Conv2d(3, 4, 3)
    block, layout = pack_parameters(module, torch.float32, torch.device("cpu"))
    assert [name for name, _offset, _shape in layout] == ["weight", "bias"]
    block.fill_(2)
    assert (module.weight == 2).all()
    assert module.weight.shape == (4, 3, 3, 3)
    assert module.weight.is_contiguous(memory_format=torch.channels_last)
    assert module.weight.is_leaf
    assert module.weight.requires_grad


def test_packed_buffers_keep_their_names():
    module = nn.Sequential(nn.BatchNorm1d(4))
    del module[0].num_batches_tracked
    block, layout = pack_buffers(module, torch.float64, torch.device("cpu"))
    assert [entry[0] for entry in layout] == ["0.running_mean", "0.running_var"]
    block.fill_(3)
    assert (module[0].running_var == 3).all()
