import torch

from emtnas_hpc.supernet.operations import draw_masks


def test_masks_keep_with_the_right_probability_and_the_right_weight(shape, generator):
    masks = draw_masks(shape, 2000, generator, dropout=0.25, drop_path=0.0)
    assert masks.branches is None
    assert masks.features.shape == (2000, 16)
    assert set(masks.features.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert abs(masks.features.mean().item() - 1) < 0.02


def test_drop_path_has_a_number_for_every_branch_of_every_cell(shape, generator):
    draws = [draw_masks(shape, 1, generator, dropout=0.0, drop_path=0.4) for _draw in range(200)]
    assert draws[0].features is None
    assert draws[0].branches.shape == (5, 5, 2)
    kept = torch.stack([masks.branches for masks in draws]) > 0
    assert abs(kept.double().mean().item() - 0.6) < 0.02


def test_equal_generators_draw_equal_masks(shape):
    a, b = (
        draw_masks(shape, 4, torch.Generator().manual_seed(3), dropout=0.5, drop_path=0.5)
        for _copy in range(2)
    )
    assert torch.equal(a.features, b.features)
    assert torch.equal(a.branches, b.branches)
