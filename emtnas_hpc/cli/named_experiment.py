"""An experiment as it was typed, under the name that its run directories get."""

from collections.abc import Sequence

from emtnas_hpc.data.registry import REGISTRY
from emtnas_hpc.experiment import Experiment, load_experiment, rename, run_name


def load_named(experiment: str, overrides: Sequence[str], name: str | None) -> Experiment:
    """Loads an experiment.

    Args:
        experiment: a preset's name or a TOML file.
        overrides: of its settings.
        name: that it gets; None for the preset's, and what was changed in it.

    Raises:
        InputError: one of the three is refused.
    """
    loaded = load_experiment(experiment, overrides, registry=REGISTRY)
    if name is not None:
        return rename(loaded, name)
    preset = load_experiment(experiment, registry=REGISTRY)
    return rename(loaded, run_name(preset, loaded, REGISTRY))
