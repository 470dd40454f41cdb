"""One checkpoint on the screen, or as JSON."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from emtnas_hpc.cli.formats import format_percent
from emtnas_hpc.cli.tables import without_nan
from emtnas_hpc.evolution.individual import Individual
from emtnas_hpc.evolution.population import subpopulation
from emtnas_hpc.history import History
from emtnas_hpc.report.collect import newest_history
from emtnas_hpc.space.architecture import decode
from emtnas_hpc.space.counts import count_macs, count_parameters
from emtnas_hpc.space.drawing import draw_cell
from emtnas_hpc.space.genotype import format_genotype


def print_run(directory: Path, *, as_json: bool) -> None:
    """Prints what the newest commit of a run directory holds.

    Raises:
        InputError: nothing has been committed yet.
        DamagedError: no commit can be read.
    """
    history = newest_history(directory)
    if as_json:
        print(json.dumps(without_nan(_plain(history)), indent=2, allow_nan=False))
        return
    console = Console(highlight=False, soft_wrap=True)
    header = history.header
    console.print(
        f"{header.name}, seed {header.seed}: generation {history.generation} of "
        f"{header.n_generations}, batch norm {header.batch_norm}",
        markup=False,
    )
    for task in range(len(header.tasks)):
        console.print()
        _print_task(console, history, task)


def _print_task(console: Console, history: History, task: int) -> None:
    header = history.header.tasks[task]
    incumbent = _incumbent(history, task)
    architecture = decode(incumbent.chromosome)
    console.print(_population_table(history, task))
    console.print(
        f"incumbent of {header.name}: individual {incumbent.id}, born in generation "
        f"{incumbent.generation}, true fitness {format_percent(history.best_true_fitness(task))}, "
        f"{count_parameters(architecture, header.shape):,} parameters (slices in use), "
        f"{count_macs(architecture, header.shape):,} MACs",
        markup=False,
    )
    for name, cell in (("reduction", architecture.reduction), ("normal", architecture.normal)):
        console.print(f"{name} cell", markup=False)
        console.print(draw_cell(cell), markup=False)
    console.print(f"genotype: {format_genotype(architecture)}", markup=False)


def _population_table(history: History, task: int) -> Table:
    table = Table(title=f"population of {history.header.tasks[task].name}", title_justify="left")
    for heading in ("id", "born", "fitness", "sampled", "operator", "parents"):
        table.add_column(heading, justify="left" if heading in ("operator", "parents") else "right")
    for individual in subpopulation(history.population, task):
        parents = [p for p in (individual.parent_a, individual.parent_b) if p >= 0]
        table.add_row(
            str(individual.id),
            str(individual.generation),
            format_percent(individual.fitness),
            format_percent(individual.sampled_accuracy),
            individual.operator.name.lower(),
            " ".join(map(str, parents)),
        )
    return table


def _plain(history: History) -> dict[str, Any]:
    header = history.header
    return {
        "name": header.name,
        "seed": header.seed,
        "generation": history.generation,
        "n_generations": header.n_generations,
        "batch_norm": header.batch_norm,
        "signature": header.signature,
        "tasks": [_plain_task(history, task) for task in range(len(header.tasks))],
    }


def _plain_task(history: History, task: int) -> dict[str, Any]:
    incumbent = _incumbent(history, task)
    architecture = decode(incumbent.chromosome)
    shape = history.header.tasks[task].shape
    return {
        "task": history.header.tasks[task].name,
        "incumbent": {
            "id": incumbent.id,
            "generation": incumbent.generation,
            "true_fitness": history.best_true_fitness(task),
            "parameters": count_parameters(architecture, shape),
            "macs": count_macs(architecture, shape),
            "genotype": format_genotype(architecture),
        },
        "population": [
            {"id": i.id, "generation": i.generation, "fitness": i.fitness}
            for i in subpopulation(history.population, task)
        ],
        "true_fitness": [g.tasks[task].true_fitness for g in history.generations],
        "fitness_of_fittest": [
            history.individuals[g.tasks[task].fittest].fitness for g in history.generations
        ],
    }


def _incumbent(history: History, task: int) -> Individual:
    return history.individuals[history.generations[-1].tasks[task].incumbent]
