"""Run directories such as searches and retrainings leave them, made without images or weights."""

import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from fake import FakeTrainer

from emtnas_hpc.checkpoint.commits import RunStore
from emtnas_hpc.checkpoint.ownership import Lease, acquire, this_process
from emtnas_hpc.checkpoint.paths import RECORD, RunPaths, seed_run
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.report.caveats import stage_of
from emtnas_hpc.retraining.record import (
    Epoch,
    Retraining,
    RetrainingHeader,
    TestResult,
    write_retraining,
)
from emtnas_hpc.runner.attempts import Attempt
from emtnas_hpc.search.history import Header, History, TaskHeader
from emtnas_hpc.search.stage import SearchStage
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.loading import load_experiment
from emtnas_hpc.settings.names import StoredExperiment, dump_stored
from emtnas_hpc.space.architecture import NetworkShape, decode, format_genotype
from emtnas_hpc.space.counts import count_macs, count_parameters

#: Image channels, edge, classes.
SIZES = {
    "cifar10": (3, 32, 10),
    "cifar100": (3, 32, 100),
    "pathmnist": (3, 28, 9),
    "breastmnist": (1, 28, 2),
    "pneumoniamnist": (1, 28, 2),
}
LABEL = "long"
#: So that a search takes milliseconds.
SHORT = "search.generations=3"


@dataclass(frozen=True)
class Retrained:
    """What is retrained in a run.

    Attributes:
        n_normal: N of the networks, for each task.
        transfer: whether each incumbent is retrained on every other task too.
        lift: added to the accuracies, in [0, 1].
        epochs: that have been done; None for all.
        epochs_in_all: that there are to do.
        recipe: its label.
        tasks: only these; None for all.
        on: tasks that are retrained on instead of the own.
        auc: of all of them.
        channels: C of the networks.
        diverged: epoch whose loss is no finite number; 0 for the test's alone; None for none.
    """

    n_normal: Sequence[int] = (2,)
    transfer: bool = False
    lift: float = 0.0
    epochs: int | None = None
    epochs_in_all: int = 2
    recipe: str = LABEL
    on: Sequence[str] = ()
    auc: float | None = None
    channels: int = 48
    diverged: int | None = None


@dataclass
class DivergingTrainer(FakeTrainer):
    """Of a supernet whose loss is no number from a generation on."""

    task: int
    first: int

    def __post_init__(self) -> None:
        super().__init__(self.task)

    def train(self, chromosomes, generation, interrupted):
        record = super().train(chromosomes, generation, interrupted)
        return replace(record, loss=math.nan) if generation >= self.first else record


def make_run(
    runs: Path,
    preset: str = "cifar",
    *overrides: str,
    seed: int = 0,
    until: int | None = None,
    name: str | None = None,
    retrained: Retrained | None = Retrained(),
    weights: int = 0,
    diverged: Mapping[int, int] = {},
    **conditions: object,
) -> Path:
    """Makes one run directory and returns it.

    Args:
        runs: where run directories are.
        preset: a preset's name, or a TOML file.
        overrides: of its settings.
        seed: of the run.
        until: generation of the newest commit; None is the last.
        name: of the run's folder; None is the preset's.
        retrained: what was retrained, None for nothing.
        weights: bytes of every file of weights; a hole in the file, not on the disk.
        diverged: tasks whose search does, each with the first such generation.
        conditions: what the run was carried out under, besides a CPU and versions.
    """
    experiment = load_experiment(preset, overrides, registry=REGISTRY)
    experiment = experiment.model_copy(update={"name": name or experiment.name})
    paths = seed_run(runs, experiment.name, seed)
    stored = _stored(experiment, seed)
    lease = acquire(paths, this_process())
    paths.experiment.write_text(dump_stored(stored))
    history = _search(paths, lease, stored, until or experiment.search.generations, diverged)
    for record in _retrainings(history, stored, retrained) if retrained else ():
        _commit_retraining(paths, lease, record)
    for file in paths.directory.rglob("*.pt"):
        # Afterwards, because a commit would compute the digest of every byte.
        os.truncate(file, max(weights, file.stat().st_size))
    with Attempt(paths, lease.token, {**CONDITIONS, **conditions}) as attempt:
        attempt.event("committed", stage="search", step=history.generation)
        for record in _retrainings(history, stored, retrained) if retrained else ():
            attempt.event("committed", stage=stage_of(record), step=len(record.epochs))
    lease.release()
    return paths.directory


CONDITIONS = {"device_model": "Fake CPU", "torch": "2.9.0", "numpy": "2.0", "threads": 1}


def _stored(experiment: Experiment, seed: int) -> StoredExperiment:
    data = {name: _digest(name, experiment.task[name].source) for name in experiment.tasks}
    stored = StoredExperiment(experiment, seed, data, {})
    return replace(stored, signatures={"search": stored.identity.signature})


def _search(
    paths: RunPaths,
    lease: Lease,
    stored: StoredExperiment,
    until: int,
    diverged: Mapping[int, int],
) -> History:
    header = _header(stored)
    stage = SearchStage(
        header,
        stored.experiment.search,
        lambda: [
            DivergingTrainer(task, diverged[task]) if task in diverged else FakeTrainer(task)
            for task in range(len(header.tasks))
        ],
        clock=_clock(stored.seed, len(header.tasks)).__next__,
    )
    history = stage.start()
    for _generation in range(until):
        history = stage.advance(history, lambda: False)
    store = RunStore(paths, "search", signature=header.signature, lease=lease)
    store.commit(until, lambda folder: stage.save(history, folder), stage.summary(history))
    return history


def _header(stored: StoredExperiment) -> Header:
    experiment, identity = stored.experiment, stored.identity
    shape = NetworkShape(experiment.supernet.channels, 1, 3, 32, 10)
    tasks = []
    for name in experiment.tasks:
        channels, size, classes = SIZES.get(name, (1, 28, 11))
        own = replace(shape, image_channels=channels, image_size=size, n_classes=classes)
        tasks.append(TaskHeader(name, own, 40_000, 10_000))
    return Header(
        experiment.name,
        stored.seed,
        experiment.search.generations,
        experiment.evaluation.batch_norm,
        identity.signature,
        identity.experiment_signature,
        tuple(tasks),
    )


def _clock(seed: int, n_tasks: int) -> Iterator[float]:
    """A clock on which every piece of work takes about a second, a bit less with more tasks."""
    rng, now = np.random.default_rng([seed, n_tasks]), 0.0
    while True:
        now += (1 - 0.1 * (n_tasks - 1)) * float(rng.uniform(0.9, 1.1))
        yield now


def _retrainings(
    history: History, stored: StoredExperiment, retrained: Retrained
) -> Iterator[Retraining]:
    tasks = range(len(history.header.tasks))
    names = [task.name for task in history.header.tasks]
    for n_normal in retrained.n_normal:
        for found_on in tasks:
            targets = list(retrained.on) or [names[found_on]]
            if retrained.transfer:
                others = ("cifar10", "cifar100")
                targets += [name for name in others if name != names[found_on]]
            for on in targets:
                yield _retraining(history, stored, retrained, found_on, on, n_normal)


def _retraining(
    history: History,
    stored: StoredExperiment,
    retrained: Retrained,
    found_on: int,
    on: str,
    n_normal: int,
) -> Retraining:
    source = history.header.tasks[found_on]
    incumbent = history.incumbent(found_on)
    architecture = decode(incumbent.chromosome)
    channels, size, classes = SIZES.get(on, (1, 28, 11))
    shape = NetworkShape(retrained.channels, n_normal, channels, size, classes)
    shared = (history.header.experiment_signature, source.name, on, str(n_normal), retrained.recipe)
    header = RetrainingHeader(
        experiment=stored.experiment.name,
        seed=stored.seed,
        task=on,
        found_on=source.name,
        individual=incumbent.id,
        genotype=format_genotype(architecture),
        shape=shape,
        recipe=retrained.recipe,
        origin="ours: the paper gives no recipe",
        n_epochs=retrained.epochs_in_all,
        n_training=50_000,
        n_test=10_000,
        signature=_digest(*shared, str(stored.seed)),
        experiment_signature=_digest(*shared),
        search_signature=history.header.signature,
    )
    epoch = Epoch(0.025, 0.0, 1.5, 0.5, 10.0)
    # Of no signature: one more setting would change every number.
    drawn = (stored.experiment.name, source.name, on, str(n_normal), str(stored.seed))
    noise = int(_digest(*drawn), 16) % 1000 / 1e5
    accuracy = 0.9 - 0.15 * (on == "cifar100") + 0.01 * n_normal + retrained.lift + noise
    diverged = retrained.diverged
    epochs = [
        replace(epoch, train_loss=None) if number == diverged else epoch
        for number in range(1, (retrained.epochs or retrained.epochs_in_all) + 1)
    ]
    test = TestResult(
        accuracy=accuracy,
        top5=accuracy + 0.01 if classes > 5 else None,
        auc=retrained.auc if diverged is None else None,
        loss=0.4 if diverged is None else None,
        seconds_test=3.0,
    )
    return Retraining(
        header,
        parameters=count_parameters(architecture, shape, "all"),
        parameters_in_use=count_parameters(architecture, shape),
        macs=count_macs(architecture, shape),
        epochs=tuple(epochs),
        test=test if retrained.epochs is None else None,
    )


def _commit_retraining(paths: RunPaths, lease: Lease, record: Retraining) -> None:
    def save(folder: Path) -> None:
        write_retraining(record, folder / RECORD)
        (folder / "weights.pt").touch()

    store = RunStore(paths, stage_of(record), signature=record.header.signature, lease=lease)
    store.commit(len(record.epochs), save, record.summary)


def _digest(*parts: str) -> str:
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()
