"""The finished retrainings of a run, and which of them is meant."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from emtnas_hpc.errors import DamagedError, InputError, StorageError
from emtnas_hpc.history.retraining import RECORD_NAME, Retraining, read_retraining
from emtnas_hpc.retraining.stage import WEIGHTS_NAME
from emtnas_hpc.store.paths import RunPaths, StagePaths
from emtnas_hpc.store.reading import read_committed, read_newest

T = TypeVar("T")


@dataclass(frozen=True)
class Retrained:
    """A retraining that has committed something.

    Attributes:
        stage: where its commits are.
        record: the newest good one.
    """

    stage: StagePaths
    record: Retraining

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.stage.directory.name

    @property
    def task(self) -> str:
        """Where its architecture was found; of one from elsewhere, what it was trained on."""
        return self.record.header.found_on or self.record.header.task

    def read_weights(self, read: Callable[[Path], T]) -> T:
        """Reads the weights that the test set was measured with.

        Raises:
            DamagedError: they are damaged, or gone.
        """
        found = read_newest(self.stage, WEIGHTS_NAME, lambda path: (path.parent, read(path)))
        newest = [self.stage.commit(step) for step in self.stage.steps()[-1:]]
        # An earlier commit would be good enough to go on from, but is not what was measured.
        if found is None or [found[0]] != newest:
            raise DamagedError(
                f"{self.stage.directory}: the newest commit has no good {WEIGHTS_NAME}; restore it "
                "from a backup, or move the folder away and let `emtnas-hpc retrain` begin anew"
            )
        return found[1]


def retrainings_of(paths: RunPaths, *, only_readable: bool = False) -> list[Retrained]:
    """Every retraining of a run that has a good record, by name.

    Args:
        paths: of the run.
        only_readable: pass over those that cannot be read.

    Raises:
        StorageError: one cannot be read.
    """
    found = []
    for stage in paths.retrainings():
        with suppress(*[StorageError] * only_readable):
            record = read_newest(stage, RECORD_NAME, read_retraining)
            found += [] if record is None else [Retrained(stage, record)]
    return found


def refuse_damaged(paths: RunPaths, name: str | None) -> None:
    """Tells a retraining that is damaged from one that was never made.

    Args:
        paths: of the run.
        name: of the only one that matters; None for all.

    Raises:
        DamagedError: none of a retraining's commits has a good record.
        StorageError: one cannot be read.
    """
    for stage in paths.retrainings():
        if name in (None, stage.directory.name):
            read_committed(stage, RECORD_NAME, read_retraining)


def choose(
    retrainings: Sequence[Retrained], run: Path, task: str | None, name: str | None
) -> list[Retrained]:
    """Of every task the finished retraining with the most normal cells, or the one that is named.

    Transfers to other data sets are chosen by name only.

    Args:
        retrainings: of the run.
        run: its directory, for messages.
        task: the only one, or all.
        name: of a retraining's folder.

    Raises:
        InputError: there is none, or several would do.
    """
    if name is not None:
        return [_named(retrainings, run, name)]
    own = [r for r in retrainings if r.record.finished and not r.record.header.is_transfer]
    tasks = sorted({r.task for r in own} if task is None else {task})
    chosen = [_deepest([r for r in own if r.task == each], each) for each in tasks]
    if not chosen or None in chosen:
        of_task = "" if task is None else f" of {task!r}"
        raise InputError(
            f"{run} has no finished retraining{of_task}; make one with `emtnas-hpc retrain {run}`, "
            "or export the architecture alone with --untrained"
        )
    return [each for each in chosen if each is not None]


def _named(retrainings: Sequence[Retrained], run: Path, name: str) -> Retrained:
    found = next((r for r in retrainings if r.name == name), None)
    if found is None:
        there = ", ".join(r.name for r in retrainings) or "none"
        raise InputError(f"--retraining is {name!r}, but {run} has {there}")
    if not found.record.finished:
        header, n_epochs = found.record.header, len(found.record.epochs)
        raise InputError(
            f"{name} has reached epoch {n_epochs} of {header.n_epochs}; finish it first with the "
            "command that began it"
        )
    return found


def _deepest(retrainings: Sequence[Retrained], task: str) -> Retrained | None:
    deepest = max((r.record.header.shape.n_normal for r in retrainings), default=None)
    found = [r for r in retrainings if r.record.header.shape.n_normal == deepest]
    if len(found) > 1:
        names = ", ".join(r.name for r in found)
        raise InputError(
            f"{task!r} has several retrainings as deep: {names}; say --retraining NAME"
        )
    return found[0] if found else None
