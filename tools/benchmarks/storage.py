"""Commits and resumes, through the store, as a search makes them."""

import shutil
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.rows import Row
from benchmarks.settings import Settings
from benchmarks.timing import median, timed
from emtnas_hpc.checkpoint.commits import RunStore
from emtnas_hpc.checkpoint.ownership import acquire, this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.space.architecture import NetworkShape, decode, random_chromosome
from emtnas_hpc.supernet.network import Network
from emtnas_hpc.supernet.training import SgdSettings, Training
from emtnas_hpc.supernet.weights import load_weights, save_weights

#: Name, supernets, and the most that a commit and a resume should take, in ms.
SEARCHES = (
    ("CIFAR, 2 tasks", [NetworkShape(20, 1, 3, 32, n) for n in (10, 100)], 500),
    ("MedMNIST, 4 tasks", [NetworkShape(48, 1, c, 28, n) for c, n in ((3, 9), (1, 11)) * 2], 4000),
)


def measure(settings: Settings) -> list[Row]:
    """Times a commit and a resume of every search."""
    torch.set_num_threads(1)
    rows = []
    for name, shapes, target in SEARCHES[:1] if settings.quick else SEARCHES:
        directory = Path(tempfile.mkdtemp(prefix="bench-", dir=settings.directory))
        try:
            trainings = [_trained(shape) for shape in shapes]
            rows += _commit_and_resume(name, trainings, directory, settings.repetitions, target)
        finally:
            shutil.rmtree(directory)
    return rows


def _trained(shape: NetworkShape) -> Training:
    """A supernet with momentum that is not all zeros, which a file system might make shorter."""
    rng = torch.Generator().manual_seed(0)
    training = Training(Network(shape, None, rng), SgdSettings())
    architecture = decode(random_chromosome(np.random.default_rng(0)))
    images = torch.randn(
        (8, shape.image_channels, shape.image_size, shape.image_size), generator=rng
    )
    training.step(training.network.path(architecture), images, torch.arange(8), 0.1)
    return training


def _commit_and_resume(
    name: str, trainings: list[Training], directory: Path, repetitions: int, target: int
) -> list[Row]:
    paths = RunPaths(directory)
    claim = acquire(paths, this_process())
    store = RunStore(paths, "search", signature="bench", claim=claim)

    def write(into: Path) -> None:
        for task, training in enumerate(trainings):
            save_weights(training.state(), into / f"task-{task}.pt")

    def resume() -> None:
        commit = store.newest()
        if commit is None:
            raise RuntimeError("the commit just made is not there")
        for task, training in enumerate(trainings):
            training.load_state(load_weights(commit.directory / f"task-{task}.pt"))

    commits, resumes = [], []
    for step in range(1, 1 + max(repetitions, 2)):
        commits.append(timed(partial(store.commit, step, write)))
        store.prune(step)
        resumes.append(timed(resume))
    newest = store.newest()
    size = sum(file.stat().st_size for file in newest.directory.iterdir()) if newest else 0
    return [
        Row(f"{name}: size of a commit", "MB", size / 1e6),
        *(
            # The disk's time counts: the target is one of the wall clock.
            Row(f"{name}: {what}", "ms", 1e3 * median(times).wall, target=target)
            for what, times in (("commit", commits), ("resume", resumes))
        ),
    ]
