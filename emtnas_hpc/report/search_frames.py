"""Searches as tidy frames that figures are drawn from; the sizes of many architectures at once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from emtnas_hpc.report.experiments import ExperimentRuns
from emtnas_hpc.report.load import SeedResult
from emtnas_hpc.report.table import list_seeds
from emtnas_hpc.search.history_arrays import Individuals, SearchHistory
from emtnas_hpc.space.architecture import (
    GENES_PER_BLOCK,
    N_BLOCKS,
    N_CELL_INPUTS,
    N_CELLS,
    N_GENES,
    N_OPERATIONS,
    OPERATIONS,
    NetworkShape,
    decode,
)
from emtnas_hpc.space.counts import Slices, count_macs, count_parameters

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Genes = npt.NDArray[np.uint8]

#: The parts that a search's time is split into, in order.
TIME_PARTS = ("training", "evaluation", "true fitness", "search")

# What all lines share is in a frame's `attrs`: `tasks` in order of skill factor, and as sentences
# `seeds`, whose searches there are, `batch_norm`, the mode in which accuracies were measured, and
# `reevaluation`, whether fitness is re-evaluated; empty if unknown.
_REEVALUATION = {True: "with re-evaluation", False: "without re-evaluation", None: ""}


def generation_frame(experiment: ExperimentRuns) -> pd.DataFrame:
    """A line for each seed, task and generation: accuracies in percent, and how diverse it was.

    `estimated` is what selection saw of the fittest, its fitness, re-evaluated where that is on;
    `true` its accuracy on the whole validation set, nan where it was not measured. `distinct` are
    different chromosomes of the subpopulation, `distance` the genes in which two of its individuals
    differ, mean over all pairs.
    """
    frames = []
    for search in experiment.drawn:
        individuals, generations = _arrays(search).individuals, _arrays(search).generations
        for task, header in enumerate(search.header.tasks):
            genes = subpopulation_genes(_arrays(search), task)
            columns = {
                "seed": search.header.seed,
                "task": header.name,
                "generation": generations.generation,
                "true": 100 * generations.true_fitness[:, task],
                "estimated": 100 * individuals.fitness[generations.fittest[:, task]],
                "distinct": distinct_chromosomes(genes),
                "distance": mean_hamming_distance(genes),
            }
            frames.append(pd.DataFrame(columns))
    return _of_experiment(frames, experiment)


def individual_frame(experiment: ExperimentRuns) -> pd.DataFrame:
    """A line for each individual: its size in millions, its accuracy in percent, and its parents.

    `generation` is that of its birth; `foreign` the task of its parent of another task, its own
    where it has none, empty where it has no parents; `entered` says whether it survived its first
    selection; `incumbent` whether its task's search ended in it.
    """
    frames = []
    for search in experiment.drawn:
        arrays, names = _arrays(search), np.array([task.name for task in search.header.tasks])
        found = arrays.individuals
        sizes = np.zeros(len(found.id))
        for task, header in enumerate(search.header.tasks):
            of_task = found.skill_factor == task
            sizes[of_task] = parameters_of(found.chromosome[of_task], header.shape) / 1e6
        is_child = np.maximum(found.parent_a, found.parent_b) >= 0
        columns = {
            "seed": search.header.seed,
            "task": names[found.skill_factor],
            "generation": found.generation,
            "parameters": sizes,
            "accuracy": 100 * found.sampled_accuracy,
            "foreign": np.where(is_child, names[foreign_tasks(found)], ""),
            # One that is in no population did not survive its first selection: none returns.
            "entered": np.isin(found.id, arrays.generations.population),
            "incumbent": np.isin(found.id, [result.incumbent for result in search.tasks]),
        }
        frames.append(pd.DataFrame(columns))
    return _of_experiment(frames, experiment)


def time_frame(experiments: Iterable[ExperimentRuns]) -> pd.DataFrame:
    """A line for each experiment and seed: the seconds of `TIME_PARTS`, summed over tasks.

    `note` says how far the experiment is, where it has not come to its end.
    """
    lines, diverged = [], []
    for each in experiments:
        note = "" if each.drawn_until is None else f", up to generation {each.drawn_until}"
        if each.diverged:
            diverged.append(f"{each.title} {list_seeds(each.diverged)}")
        for search in each.drawn:
            of = _arrays(search).generations
            seconds = {p: getattr(of, f"seconds_{p.replace(' ', '_')}").sum() for p in TIME_PARTS}
            lines.append({"experiment": each.title, "note": note, **seconds})
    frame = pd.DataFrame(lines)
    frame.attrs["diverged"] = "; ".join(diverged)
    return frame


def _arrays(search: SeedResult) -> SearchHistory:
    assert search.arrays is not None
    return search.arrays


def _of_experiment(frames: Sequence[pd.DataFrame], experiment: ExperimentRuns) -> pd.DataFrame:
    frame = pd.concat(frames, ignore_index=True)
    frame.attrs["tasks"] = experiment.own_tasks
    frame.attrs["batch_norm"] = f"Batch-norm mode {experiment.drawn[0].header.batch_norm}."
    frame.attrs["seeds"] = _which_seeds(experiment)
    frame.attrs["reevaluation"] = _REEVALUATION[experiment.settings.get("search.reevaluate")]
    return frame


def _which_seeds(experiment: ExperimentRuns) -> str:
    text = f"{experiment.drawn_seeds.capitalize()}."
    if experiment.drawn_until is not None:
        text += f" Not finished: shown up to generation {experiment.drawn_until}."
    if experiment.finished and experiment.unfinished:
        text += f" Not finished and left out: {list_seeds(experiment.unfinished)}."
    if len(experiment.diverged) == len(experiment.averaged):
        text += " The training loss of all of them diverged: what follows on it is noise."
    elif experiment.diverged:
        text += f" Diverged and left out: {list_seeds(experiment.diverged)}."
    return text


def subpopulation_genes(arrays: SearchHistory, task: int) -> Genes:
    """The chromosomes of a task's survivors, `(T, its share, 40)`; the share never changes."""
    population, found = arrays.generations.population, arrays.individuals
    ids = population[found.skill_factor[population] == task]
    genes: Genes = found.chromosome[ids.reshape(len(population), -1)]
    return genes


def distinct_chromosomes(genes: Genes) -> Integers:
    """How many different chromosomes there are, `(T,)`."""
    return np.array([len({row.tobytes() for row in generation}) for generation in genes])


def mean_hamming_distance(genes: Genes) -> Floats:
    """Genes in which two individuals differ, mean over all pairs, `(T,)`; 0 for a single one."""
    _generations, n, n_genes = genes.shape
    if n < 2:
        return np.zeros(len(genes))
    equal = np.zeros(len(genes), np.int64)
    for value in range(int(genes.max()) + 1):
        count = (genes == value).sum(axis=1)
        equal += (count * (count - 1)).sum(axis=1)
    distances: Floats = n_genes - equal / (n * (n - 1))
    return distances


def foreign_tasks(found: Individuals) -> npt.NDArray[np.signedinteger]:
    """Task of every individual's foreign parent; its own task where it has none, `(n,)`."""
    own = found.skill_factor
    # Of a missing parent, -1, the own task stands for its task.
    first, second = (np.where(ids >= 0, own[ids], own) for ids in (found.parent_a, found.parent_b))
    return np.where(first != own, first, second)


# Parameters and MACs of many architectures at once: a hundred times as fast as one by one.

Counts = Callable[[Genes, NetworkShape], Integers]

_Quantity = Literal["in_use", "all", "macs"]
_IDENTITY = next(i for i, operation in enumerate(OPERATIONS) if operation.kind == "identity")


def mean_per_step(
    searches: Iterable[SeedResult],
    count: Counts,
    channels: int | None = None,
    n_normal: int | None = None,
) -> float:
    """Each time that an architecture was trained on a mini-batch it counts once, whatever the task.

    It is counted in networks of these channels and normal cells, or in the search's own.
    """
    total = steps = 0
    for search in searches:
        found = _arrays(search).individuals
        for task, header in enumerate(search.header.tasks):
            chosen = (found.n_steps > 0) & (found.skill_factor == task)
            shape = replace(
                header.shape,
                channels=channels or header.shape.channels,
                n_normal=n_normal or header.shape.n_normal,
            )
            n_steps = found.n_steps[chosen].astype(np.int64)
            total += int(n_steps @ count(found.chromosome[chosen], shape))
            steps += int(n_steps.sum())
    return total / steps


def parameters_of(chromosomes: Genes, shape: NetworkShape, slices: Slices = "in_use") -> Integers:
    """What `space.counts.count_parameters` says of every chromosome, `(n, 40)`.

    A count is a sum over blocks and outputs. Its terms are read off that function, so there is one
    formula only.
    """
    return _sums(chromosomes, shape, slices)


def macs_of(chromosomes: Genes, shape: NetworkShape) -> Integers:
    """What `space.counts.count_macs` says of every chromosome, `(n, 40)`."""
    return _sums(chromosomes, shape, "macs")


def _sums(chromosomes: Genes, shape: NetworkShape, quantity: _Quantity) -> Integers:
    genes = chromosomes.reshape(-1, N_CELLS, N_BLOCKS, GENES_PER_BLOCK)
    source_a, source_b, operation_a, operation_b = np.moveaxis(genes, -1, 0)
    # Both branches alike: their parameters are there once, but they are computed twice.
    once = (source_a == source_b) & (operation_a == operation_b) & (quantity != "macs")
    base, of_operation, of_output = _terms(shape, quantity)
    total = np.full(len(genes), base)
    for cell in range(N_CELLS):
        a, b = of_operation[cell][operation_a[:, cell]], of_operation[cell][operation_b[:, cell]]
        total += (a + np.where(once[:, cell], 0, b)).sum(axis=1)
        total += of_output[cell] * (_n_outputs(genes[:, cell]) - N_BLOCKS)
    return total


def _n_outputs(cells: Genes) -> Integers:
    sources = cells[..., :2].reshape(len(cells), -1)
    blocks = np.arange(N_CELL_INPUTS, N_CELL_INPUTS + N_BLOCKS)
    consumed: Integers = (sources[:, :, None] == blocks).any(axis=1).sum(axis=1)
    return N_BLOCKS - consumed


@cache
def _terms(shape: NetworkShape, quantity: _Quantity) -> tuple[int, Integers, list[int]]:
    """What a network of identities that are all outputs has, an operation, an output.

    The latter two by cell. Identity has nothing, so a single gene's change shows what another has.
    """
    identity = np.zeros((N_CELLS, N_BLOCKS, GENES_PER_BLOCK), np.int64)
    identity[..., 2:] = _IDENTITY

    def count(cell: int, block: int, gene: int, value: int) -> int:
        genes = identity.copy()
        genes[cell, block, gene] = value
        architecture = decode(tuple(genes.reshape(N_GENES).tolist()))
        if quantity == "macs":
            return count_macs(architecture, shape)
        return count_parameters(architecture, shape, quantity)

    base = count(0, 0, 2, _IDENTITY)
    of_operation = [
        [count(cell, 0, 2, operation) - base for operation in range(N_OPERATIONS)]
        for cell in range(N_CELLS)
    ]
    # A block that the next one reads is no output any more.
    of_output = [base - count(cell, 1, 0, N_CELL_INPUTS) for cell in range(N_CELLS)]
    return base, np.array(of_operation), of_output
