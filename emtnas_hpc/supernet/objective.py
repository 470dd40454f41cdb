"""What a task trains for and is measured by."""

import torch
from torch import Tensor
from torch.nn import functional as F


def mean_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy, or for several labels an image binary cross-entropy; a scalar.

    Args:
        logits: `(n, n_classes)`.
        targets: classes, `(n,)` integers; or labels, `(n, n_classes)` of 0 and 1.
    """
    if targets.dim() == 1:
        return F.cross_entropy(logits, targets)
    return F.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype))


def count_hits(logits: Tensor, targets: Tensor) -> Tensor:
    """Images classified right; of several labels an image, the fraction right counts.

    Args:
        logits: `(n, n_classes)`; a label is predicted where its logit is positive.
        targets: as in `mean_loss`.

    Returns:
        A float64 scalar, so that the counts of many batches add up exactly.
    """
    if targets.dim() == 1:
        return (logits.argmax(dim=1) == targets).sum(dtype=torch.float64)
    right = (logits > 0) == (targets > 0)
    return right.sum(dtype=torch.float64) / targets.shape[1]
