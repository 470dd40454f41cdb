"""In which directory each seed of a `run` is carried on; what is refused is refused here."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from emtnas_hpc.agenda.transfers import open_transfers
from emtnas_hpc.cli.events import Event, Listener, of_experiment
from emtnas_hpc.cli.listeners import listeners_of
from emtnas_hpc.cli.named_experiment import Folders
from emtnas_hpc.cli.run_order import RunOrder
from emtnas_hpc.cli.seed_order import SeedOrder, has_work, said_of
from emtnas_hpc.errors import DamagedError, DataError, InputError, StorageError, StoredError
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.run_directory import refuse_other_settings
from emtnas_hpc.search.session import SearchRequest, plan_seeds
from emtnas_hpc.store.refusals import is_there


def place_all(
    by_experiment: Sequence[Sequence[SeedOrder]], order: RunOrder, listener: Listener
) -> list[SeedOrder]:
    """The seeds of all experiments, no run directory twice."""
    folders = Folders(order.experiment)
    return [
        seed
        for some in by_experiment
        for seed in _place(some, order, listener)
        if folders.is_new(
            seed.request.paths.directory, replace(seed.named, experiment=seed.request.experiment)
        )
    ]


def _place(seeds: Sequence[SeedOrder], order: RunOrder, listener: Listener) -> list[SeedOrder]:
    """The seeds of one experiment, each in the directory that it is carried on in.

    What is refused is refused before the first seed has searched for days.
    """
    first = seeds[0]
    tell = of_experiment(first.who.experiment, listener)
    say = listeners_of(first.who.seed, tell).say
    try:
        plans = plan_seeds([seed.request for seed in seeds], say)
        open_transfers(first.request, say)
    except DataError:
        placed = _placed(seeds, order, {}, tell)
        if first.who.experiment and any(map(_has_work, placed)):
            raise
        return placed  # it may be finished; if not, its own start says what is missing
    placed = _placed(seeds, order, plans, tell)
    for seed in placed:
        # One that cannot be read is refused by its own start, and keeps no other from its search.
        with suppress(StorageError, DamagedError, StoredError):
            refuse_other_settings(seed.request.paths, plans[seed.request.seed])
    return placed


def _placed(
    seeds: Sequence[SeedOrder],
    order: RunOrder,
    plans: Mapping[int, SearchPlan],
    tell: Listener,
) -> list[SeedOrder]:
    placed = []
    for seed in seeds:
        found = None
        with suppress(StorageError):
            plan = plans.get(seed.request.seed)
            found = None if order.name else seed.elsewhere(order.runs, plan)
        if found is not None:
            tell(Event(seed.who.seed, "message", text=said_of(found.request.paths)))
        placed.append(found or seed)
    return placed


def _has_work(seed: SeedOrder) -> bool:
    return has_work(seed.request.paths, seed.request.experiment, seed.request.seed)


def refuse_unwritable(requests: Sequence[SearchRequest], runs: Path) -> None:
    """Run directories that cannot be made; one that is there may be finished, and only read."""
    for directory in (request.paths.directory for request in requests):
        try:
            existing = next(p for p in (directory, *directory.parents) if is_there(p))
        except StorageError:
            continue  # its own start says why
        try:
            if existing != directory:
                # Root may write wherever permissions are asked for, and yet not everywhere.
                tempfile.TemporaryFile(dir=existing).close()
        except OSError as error:
            raise InputError(
                f"--runs is {str(runs)!r}, where {directory} cannot be made ({error.strerror}); "
                "choose another directory"
            ) from None
