"""The searches that the jobs run, and what they must end in: the same search in the foreground."""

import fcntl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from clusters import tail

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.runner.attempts import read_attempts

#: What is found for both tasks is trained anew, where a test wants that.
_RETRAINING = (
    'retraining.recipe="quick"',
    "retraining.normal_cells=[1]",
    "retraining.channels=4",
    "retraining.batch_size=64",
)
#: Two tasks; half a second to a second a generation, so that a signal hits the middle of one.
_SETTINGS = (
    'tasks=["digits", "small"]',
    "task.digits.padding=0",
    'task.small.source="package:mnist5k"',
    "task.small.pool=3",
    "task.small.padding=1",
    "search.population=4",
    "supernet.channels=4",
    "training.batch_size=32",
    "evaluation.batch_size=64",
    "evaluation.mini_batch='common'",
    "evaluation.recalibration_images=64",
)


#: A search, and a retraining for either task.
N_STAGES = 3


@dataclass(frozen=True)
class Search:
    """An experiment in a runs directory of its own.

    Attributes:
        runs: directory of all runs.
        data: directory of prepared data.
        generations: of the search.
        batches: of a generation and task; 8 make about half a second on an idle core.
        epochs: of each of the two retrainings; 0 for a search alone.
        commit_interval_s: seconds between commits.
        name: of the experiment's folder.
    """

    runs: Path
    data: Path
    generations: int = 8
    batches: int = 8
    epochs: int = 0
    commit_interval_s: float = 0.0
    name: str = "tiny"

    def arguments(self) -> tuple[str, ...]:
        """What `run` and `launch` are told, but for the seeds."""
        # The GPUs of these nodes are none.
        where = ("--runs", str(self.runs), "--device", "cpu")
        return (*self.experiment(), "--name", self.name, *where)

    def experiment(self) -> tuple[str, ...]:
        """What `prepare` is told."""
        retraining = (*_RETRAINING, f"retraining.epochs={self.epochs}")
        settings = (
            *_SETTINGS,
            *(retraining if self.epochs else ("retraining.normal_cells=[]",)),
            f"search.generations={self.generations}",
            f"training.batches={self.batches}",
            f"run.commit_interval_s={self.commit_interval_s}",
        )
        sets = (word for setting in settings for word in ("--set", setting))
        return ("cifar", *sets, "--data", str(self.data))

    def run(self, seed: int) -> RunPaths:
        """The run directory of a seed."""
        return RunPaths(self.runs / self.name / f"seed-{seed}")

    def generation(self, seed: int) -> int:
        """The newest generation that was committed, 0 before the first."""
        return max(self.run(seed).stage("search").steps(), default=0)

    def epoch(self, seed: int) -> int:
        """The newest epoch of the first retraining that was committed, 0 before the first."""
        retrainings = self.run(seed).retrainings()
        return max(retrainings[0].steps(), default=0) if retrainings else 0

    def is_done(self, seed: int) -> bool:
        """Whether the last step of all stages was committed."""
        if self.generation(seed) < self.generations or not self.epochs:
            return self.generation(seed) == self.generations
        starts = read_attempts(self.run(seed))
        ended = (
            event for start in starts for event in start.events if event["event"] == "finished"
        )
        return len({event["stage"] for event in ended}) == N_STAGES

    def tell(self) -> str:
        """What happened to the runs: attempts and logs."""
        folder = self.runs / self.name
        files = [*folder.glob("seed-*/attempts/*"), *folder.glob("jobs/seed-*/*/*_log.*")]
        return "\n".join(tail(file) for file in sorted(files))


class Reference:
    """Uninterrupted searches, each made once for all workers of a session.

    Args:
        folder: that the workers share.
        data: directory of prepared data.
    """

    def __init__(self, folder: Path, data: Path) -> None:
        self._folder = folder
        self._data = data

    def of(self, search: Search, seed: int) -> RunPaths:
        """The run that a search must be equal to."""
        self._folder.mkdir(exist_ok=True)
        # How often it commits is none of its bits.
        name = f"{search.generations}-{search.batches}-{search.epochs}"
        twin = replace(
            search, runs=self._folder, data=self._data, name=name, commit_interval_s=60.0
        )
        with exclusive(self._folder / f"{name}-{seed}.lock"):
            done = emtnas("run", *twin.arguments(), "--seeds", f"{seed},")
        assert done.returncode == 0, done.stderr
        return twin.run(seed)


def assert_equal_runs(one: RunPaths, other: RunPaths) -> None:
    """Bit for bit, by our own command."""
    done = emtnas("verify", one.directory, other.directory)
    assert done.returncode == 0, done.stdout + done.stderr


def emtnas(
    *arguments: object, environment: Mapping[str, str] | None = None, within_s: float = 600.0
) -> "subprocess.CompletedProcess[str]":
    """Runs one of our commands as a user does, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "emtnas_hpc", *map(str, arguments)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )


@contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Holds a lock file against the other workers."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
