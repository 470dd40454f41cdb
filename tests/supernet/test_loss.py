import torch
from torch.nn import functional as F

from emtnas_hpc.supernet.training import count_hits, mean_loss

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.1, 0.2, -3.0]])


def test_one_class_an_image_is_cross_entropy_and_the_largest_logit():
    targets = torch.tensor([0, 2])
    assert torch.equal(mean_loss(LOGITS, targets), F.cross_entropy(LOGITS, targets))
    assert count_hits(LOGITS, targets) == 1


def test_several_labels_an_image_are_binary_cross_entropy_and_the_fraction_right():
    labels = torch.tensor([[1, 0, 1], [1, 0, 1]])
    expected = F.binary_cross_entropy_with_logits(LOGITS, labels.float())
    assert torch.equal(mean_loss(LOGITS, labels), expected)
    assert count_hits(LOGITS, labels).item() == (3 + 1) / 3
    assert count_hits(LOGITS, labels.float()).item() == (3 + 1) / 3
