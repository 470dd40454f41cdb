"""Which architectures a search hands on to retraining."""

from emtnas_hpc.errors import InputError
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.history import FILE_NAME, History, read_history
from emtnas_hpc.retraining.order import Origin, RetrainingOrder
from emtnas_hpc.search.stage import SearchStage
from emtnas_hpc.space.architecture import Architecture, decode
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.reading import read_committed


def run_orders(paths: RunPaths, experiment: Experiment) -> list[RetrainingOrder]:
    """Every retraining that an experiment asks for, of what its finished search found.

    Raises:
        InputError: the search is not finished.
        DamagedError: its history cannot be read.
    """
    settings = experiment.retraining
    if not settings.normal_cells:
        return []
    history = finished_history(paths)
    return [
        RetrainingOrder(
            experiment=experiment.name,
            seed=history.header.seed,
            threads=experiment.threads,
            architecture=architecture,
            origin=origin,
            task=task,
            images=experiment.task[task],
            n_normal=n_normal,
            settings=settings,
            precision=experiment.precision,
        )
        for found_on, task in experiment.retrained
        for architecture, origin in [incumbent(history, found_on)]
        for n_normal in settings.normal_cells
    ]


def finished_history(paths: RunPaths) -> History:
    """The history of a finished search.

    Raises:
        InputError: it is not finished: its incumbents may still change.
        DamagedError: no commit has it good.
    """
    history = read_committed(paths.stage(SearchStage.name), FILE_NAME, read_history)
    reached = history.generation if history else 0
    if history is None or reached < history.header.n_generations:
        wanted = f" of {history.header.n_generations}" if history else ""
        raise InputError(
            f"{paths.directory}: the search has reached generation {reached}{wanted}, and what it "
            "found may still change; finish it with `emtnas-hpc run` first"
        )
    return history


def incumbent(history: History, task: str) -> tuple[Architecture, Origin]:
    """What a search found for a task, and where that comes from.

    Raises:
        InputError: the search has no such task.
    """
    header = history.header
    names = [each.name for each in header.tasks]
    if task not in names:
        raise InputError(f"--task is {task!r}, but the search has {', '.join(names)}")
    found = history.incumbent(names.index(task))
    origin = Origin(task, found.id, header.signature, header.experiment_signature)
    return decode(found.chromosome), origin
