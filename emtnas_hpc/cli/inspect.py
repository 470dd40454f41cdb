"""`inspect`: what one commit holds."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from emtnas_hpc.checkpoint.atomic import write_file
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.cli.console import format_percent, make_table, open_screen, raise_last
from emtnas_hpc.cli.options import JsonOption, RunArgument, RunsOption, typed_path
from emtnas_hpc.cli.retraining_table import read_retrainings, retrainings_table, summary_of
from emtnas_hpc.cli.runs import find_run
from emtnas_hpc.errors import EmtnasError, StorageError
from emtnas_hpc.evolution.population import subpopulation
from emtnas_hpc.report.load import newest_history, task_result
from emtnas_hpc.report.render import plain
from emtnas_hpc.retraining.record import Retraining
from emtnas_hpc.search.history import History
from emtnas_hpc.space.architecture import Architecture, decode, parse_genotype
from emtnas_hpc.space.drawing import draw_cell, draw_cell_svg

SvgOption = Annotated[
    Path | None,
    typer.Option(
        "--svg", help="Also draw the cells, as SVG files in this folder.", callback=typed_path
    ),
]


def inspect(
    run: RunArgument,
    runs: RunsOption = Path("runs"),
    svg: SvgOption = None,
    json_: JsonOption = False,
) -> None:
    """Show what a run's newest commit holds; the incumbents' cells are drawn."""
    directory = find_run(run, runs)
    problems: list[EmtnasError] = []
    retrainings = read_retrainings(directory, problems)
    history = _history(directory, problems, is_needed=not retrainings)
    drawn = [] if svg is None else write_pictures(_to_draw(history, retrainings), svg)
    if json_:
        values = {} if history is None else _values(history)
        values["retrainings"] = [{"name": n, **summary_of(r)} for n, r in retrainings]
        if svg is not None:
            values["pictures"] = drawn
        print(json.dumps(plain(values), indent=2, allow_nan=False))
    else:
        if history is not None:
            _print_history(history)
        if retrainings:
            _print_retrainings(retrainings)
        for file in drawn:
            print(file)
    raise_last(problems)


_ADVICE = "choose another --svg"


@dataclass(frozen=True)
class Picture:
    """An architecture to draw, how its files' names begin, and whose it is."""

    stem: str
    whose: str
    architecture: Architecture


def pictures_of(history: History) -> list[Picture]:
    """Every task's incumbent, in files that begin with the task."""
    incumbents = [history.incumbent(task) for task in range(len(history.header.tasks))]
    return [
        Picture(header.name, f"{header.name}: individual {found.id}", decode(found.chromosome))
        for header, found in zip(history.header.tasks, incumbents, strict=True)
    ]


def write_pictures(pictures: Sequence[Picture], directory: Path) -> list[Path]:
    """Writes `<stem>-reduction.svg` and `<stem>-normal.svg` of every picture.

    Returns:
        The files.

    Raises:
        StorageError: the disk refused.
    """
    with storage_errors(directory, advice=_ADVICE):
        directory.mkdir(parents=True, exist_ok=True)
    written = []
    for picture in pictures:
        found = picture.architecture
        for kind, cell in (("reduction", found.reduction), ("normal", found.normal)):
            file = directory / f"{picture.stem}-{kind}.svg"
            title = f"{kind.capitalize()} cell of {picture.whose}"
            write_file(file, draw_cell_svg(cell, title), uuid.uuid4().hex, _ADVICE)
            written.append(file)
    return written


def _history(directory: Path, problems: list[EmtnasError], *, is_needed: bool) -> History | None:
    try:
        # The run of an architecture from elsewhere has no search.
        if is_needed or RunPaths(directory).search.steps():
            return newest_history(directory)
    except StorageError as error:
        if is_needed:
            raise
        problems.append(error)
    return None


def _to_draw(
    history: History | None, retrainings: Sequence[tuple[str, Retraining]]
) -> list[Picture]:
    """What the search found; without one, the architectures that came from elsewhere."""
    if history is not None:
        return pictures_of(history)
    genotypes = {record.header.genotype: name for name, record in reversed(retrainings)}
    return [Picture(name, name, parse_genotype(text)) for text, name in genotypes.items()]


def _print_retrainings(retrainings: Sequence[tuple[str, Retraining]]) -> None:
    screen = open_screen()
    screen.print("retrainings", style="bold")
    screen.print(retrainings_table(("retraining",), [((n,), record) for n, record in retrainings]))


def _print_history(history: History) -> None:
    header = history.header
    screen = open_screen()
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
    found = task_result(history, task)
    architecture = parse_genotype(found.genotype)
    screen.print(f"{found.task}: the population", style="bold", markup=False)
    screen.print(_population_table(history, task))
    screen.print(f"{found.task}: the incumbent", style="bold", markup=False)
    lines = [
        f"individual {found.incumbent}, born in generation {history.incumbent(task).generation}, "
        f"true fitness {format_percent(found.true_fitness)}",
        *_divergence(found.diverged_in),
        f"{found.parameters:,} parameters (slices in use), {found.macs:,} MACs",
        "reduction cell",
        draw_cell(architecture.reduction),
        "normal cell",
        draw_cell(architecture.normal),
        f"genotype: {found.genotype}",
    ]
    # The genotype is there to be copied: in one piece.
    screen.print("\n".join(lines), markup=False, soft_wrap=True)


def _divergence(generation: int | None) -> list[str]:
    if generation is None:
        return []
    return [
        f"the training loss diverged in generation {generation}: what was found since is noise, "
        "and this search is in no mean of a report"
    ]


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


def _values(history: History) -> dict[str, Any]:
    header = history.header
    return {
        "name": header.name,
        "seed": header.seed,
        "generation": history.generation,
        "n_generations": header.n_generations,
        "batch_norm": header.batch_norm,
        "signature": header.signature,
        "tasks": [_task_values(history, task) for task in range(len(header.tasks))],
    }


def _task_values(history: History, task: int) -> dict[str, Any]:
    fittest = [history.individuals[g.tasks[task].fittest] for g in history.generations]
    return {
        **asdict(task_result(history, task)),
        "population": [
            {"id": i.id, "generation": i.generation, "fitness": i.fitness}
            for i in subpopulation(history.population, task)
        ],
        "true_fitness_by_generation": [g.tasks[task].true_fitness for g in history.generations],
        "fitness_by_generation": [individual.fitness for individual in fittest],
    }
