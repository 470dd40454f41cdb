from collections.abc import Callable

import pytest

from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.errors import InputError
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.loading import load_experiment

Load = Callable[..., Experiment]


@pytest.fixture
def load() -> Load:
    """Loads an experiment with overrides, as the command line does."""

    def load(experiment: str = "cifar", *overrides: str) -> Experiment:
        return load_experiment(experiment, overrides, registry=REGISTRY)

    return load


@pytest.fixture
def complaint(load: Load) -> Callable[..., str]:
    """The message with which an experiment is refused."""

    def complaint(experiment: str, *overrides: str) -> str:
        with pytest.raises(InputError) as caught:
            load(experiment, *overrides)
        return str(caught.value)

    return complaint
