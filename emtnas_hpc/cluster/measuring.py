"""What earlier work tells a plan: seconds of a generation, bytes of a commit."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from emtnas_hpc.cluster.guessing import GENERATION_S, guess_commits
from emtnas_hpc.cluster.plan import Measure
from emtnas_hpc.cluster.sight import Sight
from emtnas_hpc.errors import EmtnasError, StorageError
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.runner.attempts import read_attempts
from emtnas_hpc.store.paths import RunPaths

_GUESS = "guess: from the networks' sizes"


def measure_pace(sights: Sequence[Sight], experiment_signature: str) -> Measure:
    """Seconds of a generation: as measured in these seeds, else a guess that says it is one.

    Args:
        sights: of all seeds that there are, asked for or not.
        experiment_signature: of the experiment; seeds of another one do not count.
    """
    measured = {
        sight.paths.directory.name: sight
        for sight in sights
        if sight.progress is not None
        and not math.isnan(sight.seconds)
        and sight.progress.header.experiment_signature == experiment_signature
    }
    if not measured:
        return Measure(GENERATION_S, "guess: the paper's CIFAR search on a 2080Ti")
    seconds = statistics.median(sight.seconds for sight in measured.values())
    devices = sorted({_device(sight.paths) for sight in measured.values()} - {""})
    where = f" on {', '.join(devices)}" if devices else ""
    return Measure(seconds, f"measured in {', '.join(measured)}{where}")


def measure_stages(sights: Iterable[Sight]) -> Mapping[str, float]:
    """Seconds of a step by the name of the stage, of those that were measured: medians.

    Args:
        sights: of seeds of one experiment.
    """
    measured: dict[str, list[float]] = {}
    for stage in (stage for sight in sights for stage in sight.stages):
        if not math.isnan(stage.seconds):
            measured.setdefault(stage.name, []).append(stage.seconds)
    return {name: statistics.median(seconds) for name, seconds in measured.items()}


def measure_commits(sights: Sequence[Sight], experiment: Experiment) -> Mapping[str, Measure]:
    """Bytes of a commit by the name of the stage: as they lie there, else a guess."""
    guesses = guess_commits(experiment).items()
    return {name: _commit(sights, name) or Measure(size, _GUESS) for name, size in guesses}


def _commit(sights: Sequence[Sight], name: str) -> Measure | None:
    for sight in sights:
        stage = sight.paths.stage(name)
        with suppress(StorageError):  # what cannot be read is said where it matters
            for step in reversed(stage.steps()):
                if n_bytes := _size(stage.commit(step)):
                    return Measure(n_bytes, f"measured in {sight.paths.directory.name}")
    return None


def _device(paths: RunPaths) -> str:
    try:
        attempts = read_attempts(paths)
    except EmtnasError:
        return ""
    models = [a.provenance.get("device_model") for a in attempts]
    return next((str(model) for model in reversed(models) if model), "")


def _size(directory: Path) -> int:
    """0 for a commit that its owner deletes meanwhile."""
    try:
        return sum(path.stat().st_size for path in directory.iterdir())
    except OSError:
        return 0
