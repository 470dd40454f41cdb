"""What a user asks for: settings with bounds, presets, overrides, and the identity they give."""

from emtnas_hpc.experiment.identity import Identity, difference, identify
from emtnas_hpc.experiment.loading import load_experiment, retraining_experiment
from emtnas_hpc.experiment.naming import recipe_label, rename, retraining_name, run_name
from emtnas_hpc.experiment.presets import preset_names, study_names
from emtnas_hpc.experiment.settings import Experiment, RetrainingSettings, TaskSettings
from emtnas_hpc.experiment.stored import StoredExperiment, dump_stored, parse_stored
from emtnas_hpc.experiment.studies import Typed, experiments_of, named_with, read_study

__all__ = [
    "Experiment",
    "Identity",
    "RetrainingSettings",
    "StoredExperiment",
    "TaskSettings",
    "Typed",
    "difference",
    "dump_stored",
    "experiments_of",
    "identify",
    "load_experiment",
    "named_with",
    "parse_stored",
    "preset_names",
    "read_study",
    "recipe_label",
    "rename",
    "retraining_experiment",
    "retraining_name",
    "run_name",
    "study_names",
]
