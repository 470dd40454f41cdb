"""AUC as MedMNIST's tables have it, by medmnist's own evaluator."""

import math
import warnings
from typing import Any

from numpy.typing import NDArray

from emtnas_hpc.data.sources.medmnist_sets import medmnist_task


def area_under_curve(class_name: str, labels: NDArray[Any], scores: NDArray[Any]) -> float | None:
    """Area under the ROC curve: of the second class of two, else the mean over classes or labels.

    Args:
        class_name: of the MedMNIST set.
        labels: (n,) of class numbers, or (n, n_classes) of zeros and ones.
        scores: (n, n_classes), probabilities.

    Returns:
        In [0, 1]; None where a class has no image in the test set, or the scores are no numbers.
    """
    # Its package imports pandas, scikit-learn and torch.
    from medmnist.evaluator import getAUC

    with warnings.catch_warnings():
        # What scikit-learn warns of is answered with None.
        warnings.simplefilter("ignore")
        try:
            area = float(getAUC(labels, scores, medmnist_task(class_name)))
        except ValueError:
            return None
    return area if math.isfinite(area) else None
