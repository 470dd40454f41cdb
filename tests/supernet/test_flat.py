import torch
from torch import nn

from emtnas_hpc.supernet import weights


def test_every_tensor_begins_on_a_cache_line_and_none_overlap():
    layout = weights.plan_layout(
        [("a", torch.empty(3)), ("b", torch.empty(16)), ("c", torch.empty(2))]
    )
    assert layout == [("a", 0, (3,)), ("b", 16, (16,)), ("c", 32, (2,))]
    block = weights.allocate(layout, torch.float32, torch.device("cpu"))
    assert len(block) == 48
    for _name, offset, shape in layout:
        assert weights.view(block, offset, shape).data_ptr() % 64 == block.data_ptr() % 64 == 0


def test_packed_parameters_are_views_that_share_the_block():
    module = nn.Conv2d(3, 4, 3)
    block, layout = weights.pack_parameters(module, torch.float32, torch.device("cpu"))
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
    block, layout = weights.pack_buffers(module, torch.float64, torch.device("cpu"))
    assert [entry[0] for entry in layout] == ["0.running_mean", "0.running_var"]
    block.fill_(3)
    assert (module[0].running_var == 3).all()
