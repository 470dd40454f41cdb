"""What one seed's search found, from the state.h5 of its newest commit."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.errors import InputError
from emtnas_hpc.history import FILE_NAME, History, read_history
from emtnas_hpc.runner.attempts import AttemptRecord
from emtnas_hpc.runner.provenance import condition_changes
from emtnas_hpc.space.architecture import decode
from emtnas_hpc.space.counts import count_macs, count_parameters
from emtnas_hpc.space.genotype import format_genotype
from emtnas_hpc.store.paths import RunPaths
from emtnas_hpc.store.reading import read_committed


@dataclass(frozen=True)
class TaskResult:
    """What one seed found for one task.

    Attributes:
        task: its data set.
        incumbent: id of the individual with the best true fitness.
        true_fitness: of the incumbent when it was measured, on the whole validation set, [0, 1].
        first_true_fitness: of the fittest of generation 1.
        sampled_accuracy: of the incumbent, on one mini-batch, in [0, 1].
        parameters: of the incumbent in the search's network, output slices in use.
        macs: of the incumbent, convolutions and classifier, for one image.
        seconds_training: sum over generations; likewise the other two.
        genotype: the incumbent as text.
        diverged_in: the first generation whose training loss is no finite number, None if all are.
    """

    task: str
    incumbent: int
    true_fitness: float
    first_true_fitness: float
    sampled_accuracy: float
    parameters: int
    macs: int
    seconds_training: float
    seconds_evaluation: float
    seconds_search: float
    genotype: str
    diverged_in: int | None


@dataclass(frozen=True)
class SeedResult:
    """What one seed found, up to its newest commit.

    Attributes:
        directory: of the run.
        name: of the experiment.
        seed: of the search.
        signature: of the search.
        experiment_signature: the same for all seeds of an experiment.
        generation: of the newest commit.
        n_generations: that it is to reach.
        batch_norm: mode in which accuracies were measured.
        condition_changes: under which it was carried on, so that equal bits are not promised.
        tasks: in order of skill factor.
    """

    directory: Path
    name: str
    seed: int
    signature: str
    experiment_signature: str
    generation: int
    n_generations: int
    batch_norm: str
    condition_changes: tuple[str, ...]
    tasks: tuple[TaskResult, ...]


def newest_history(directory: Path) -> History:
    """The history of a run's search from the newest commit that still has it good.

    Raises:
        InputError: nothing has been committed yet.
        DamagedError: no commit has it good.
    """
    history = read_committed(RunPaths(directory).search, FILE_NAME, read_history)
    if history is None:
        raise InputError("nothing has been committed yet")
    return history


def result_of(history: History, directory: Path, attempts: Iterable[AttemptRecord]) -> SeedResult:
    """What a history says of its search, and its attempts of the conditions."""
    header = history.header
    return SeedResult(
        directory=directory,
        name=header.name,
        seed=header.seed,
        signature=header.signature,
        experiment_signature=header.experiment_signature,
        generation=history.generation,
        n_generations=header.n_generations,
        batch_norm=header.batch_norm,
        condition_changes=condition_changes(attempts),
        tasks=tuple(task_result(history, task) for task in range(len(header.tasks))),
    )


def task_result(history: History, task: int) -> TaskResult:
    """What a history says of one task."""
    header = history.header.tasks[task]
    entries = [generation.tasks[task] for generation in history.generations]
    incumbent = history.incumbent(task)
    architecture = decode(incumbent.chromosome)
    return TaskResult(
        task=header.name,
        incumbent=incumbent.id,
        true_fitness=history.best_true_fitness(task),
        first_true_fitness=entries[0].true_fitness,
        sampled_accuracy=incumbent.sampled_accuracy,
        parameters=count_parameters(architecture, header.shape),
        macs=count_macs(architecture, header.shape),
        seconds_training=sum(entry.seconds_training for entry in entries),
        seconds_evaluation=sum(entry.seconds_evaluation for entry in entries),
        seconds_search=sum(entry.seconds_search for entry in entries),
        genotype=format_genotype(architecture),
        diverged_in=history.diverged_in(task),
    )
