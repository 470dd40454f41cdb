"""One checkpoint on the screen, or as JSON."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from emtnas_hpc.cli.formats import format_percent
from emtnas_hpc.cli.screen import make_table, open_screen
from emtnas_hpc.cli.tables import without_nan
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
    screen = open_screen()
    header = history.header
    screen.print(
        f"{header.name}, seed {header.seed}: generation {history.generation} of "
        f"{header.n_generations}, batch norm {header.batch_norm}",
        markup=False,
        style="bold",
    )
    for task in range(len(header.tasks)):
        screen.print()
        _print_task(screen, history, task)


def _print_task(screen: Console, history: History, task: int) -> None:
    header = history.header.tasks[task]
    incumbent = history.incumbent(task)
    architecture = decode(incumbent.chromosome)
    screen.print(f"{header.name}: the population", style="bold")
    screen.print(_population_table(history, task))
    screen.print(f"{header.name}: the incumbent", style="bold")
    lines = [
        f"individual {incumbent.id}, born in generation {incumbent.generation}, true fitness "
        f"{format_percent(history.best_true_fitness(task))}",
        f"{count_parameters(architecture, header.shape):,} parameters (slices in use), "
        f"{count_macs(architecture, header.shape):,} MACs",
        "reduction cell",
        draw_cell(architecture.reduction),
        "normal cell",
        draw_cell(architecture.normal),
        f"genotype: {format_genotype(architecture)}",
    ]
    # The genotype is there to be copied: in one piece.
    screen.print("\n".join(lines), markup=False, soft_wrap=True)


def _population_table(history: History, task: int) -> Table:
    table = make_table()
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
    incumbent = history.incumbent(task)
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
