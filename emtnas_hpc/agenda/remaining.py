"""Which stages of a run are left, told without data and without torch."""

from emtnas_hpc.agenda.incumbents import run_orders
from emtnas_hpc.experiment import Experiment, recipe_label, retraining_name
from emtnas_hpc.retraining.directory import is_finished as is_retrained
from emtnas_hpc.search.run_directory import is_finished
from emtnas_hpc.search.stage import SearchStage
from emtnas_hpc.store.paths import RunPaths


def stages_of(experiment: Experiment) -> tuple[str, ...]:
    """The names of all stages of a run, in the order in which they are done."""
    settings = experiment.retraining
    return (
        SearchStage.name,
        *(
            f"retraining/{retraining_name(task, found_on, n_normal, recipe_label(settings))}"
            for found_on, task in experiment.retrained
            for n_normal in settings.normal_cells
        ),
    )


def stages_left(paths: RunPaths, experiment: Experiment, seed: int) -> tuple[str, ...]:
    """Those of them that are not finished, none of whose files is damaged; empty: all is done.

    Raises:
        InputError: a folder belongs to other settings in a way that cannot be read.
        DamagedError: the history of a finished search cannot be read.
    """
    if not is_finished(paths, experiment, seed):
        return stages_of(experiment)
    orders = run_orders(paths, experiment)
    return tuple(order.stage_name for order in orders if not is_retrained(paths, order))
