"""The data that only retrainings read: that of transfers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from emtnas_hpc.data import open_for_retraining
from emtnas_hpc.retraining.directory import images_retrained_on
from emtnas_hpc.retraining.test_set import refuse_missing_test_set
from emtnas_hpc.search.session import SearchRequest
from emtnas_hpc.space.shape import StemKind, size_behind_stem


@dataclass(frozen=True)
class TrainingImages:
    """What the work of training on a data set depends on.

    Attributes:
        n_images: that a retraining trains on.
        first_size: edge in pixels behind the stem.
        stem: of the networks.
    """

    n_images: int
    first_size: int
    stem: StemKind


def open_transfers(
    request: SearchRequest, say: Callable[[str], None]
) -> Mapping[str, TrainingImages]:
    """Opens it before the search, so that what is missing is not found out when that is over.

    Args:
        request: what is searched, and where data is.
        say: told what is prepared.

    Returns:
        What there is, by the name of the data set; nothing where nothing is retrained.

    Raises:
        DataError: data is not there, or has no test set.
    """
    experiment = request.experiment
    if not experiment.retraining.normal_cells:
        return {}
    found = {}
    for name in experiment.data_sets:
        if name not in experiment.tasks:
            images = experiment.task[name]
            data = open_for_retraining(
                name,
                images,
                request.data_dir,
                say=say,
                mend=request.mend,
                begun=images_retrained_on(request.paths, name, images),
            )
            refuse_missing_test_set(data)
            found[name] = TrainingImages(
                data.n_images("train") + data.n_images("val"),
                size_behind_stem(data.image_size, data.stem),
                data.stem,
            )
    return found
