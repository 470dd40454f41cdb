"""The paths of a run directory. No other module builds one.

    <run>/experiment.toml                resolved settings and the signature of every stage
    <run>/owner                          the process that may write
    <run>/attempts/0007-<token>.jsonl    one file a start
    <run>/cancelled, <run>/failed        flag files, with the reason
    <run>/retraining/<what>/retraining.toml    what the retraining depends on, and its signature
    <run>/<stage>/000042/                a commit: the state after step 42
    <run>/<stage>/000042.damaged-1/      a commit that failed verification, set aside
    <run>/<stage>/000042.stranger-1/     a commit of a superseded process, set aside
    <run>/<stage>/.tmp-000042-<token>/   a commit that is being written
    <run>/<stage>/.old-000040-<token>/   a commit that is being deleted
    <run>/../jobs/lock                   held while a process submits or cancels
    <run>/../jobs/seed-0/request.toml    the specification of this run's jobs
    <run>/../jobs/seed-0/<id>.json       one file a job, older than the job itself
    <run>/../jobs/seed-0/<job>/          a job's log and submitit's files

A commit that was set aside is never read again and never deleted: the user may look at it.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emtnas_hpc.checkpoint.os_errors import is_folder, names_in, storage_errors
from emtnas_hpc.errors import StorageError

AsideReason = Literal["damaged", "stranger"]

#: The stage that a run begins with; its others are retrainings.
SEARCH = "search"
#: Of a commit the small file that holds all but weights: of a search, and of a retraining.
HISTORY, RECORD = "state.h5", "record.json"

_RETRAINING = "retraining"
_SEED = "seed-"
_ATTEMPT = re.compile(r"(\d{4,})-([0-9a-z]+)\.jsonl")
_COMMIT = re.compile(r"\d{6,}")
_RECORD = re.compile(r"[0-9a-f]{8}\.json")
_TEMPORARY = re.compile(r"\.(?:tmp|old)-.+-([0-9a-z]+)")


@dataclass(frozen=True)
class StagePaths:
    """The directory of one stage: its commits and what surrounds them."""

    directory: Path

    @property
    def name(self) -> str:
        """Of the stage, as attempts and manifests have it."""
        name = self.directory.name
        return name if name == SEARCH else retraining_stage(name)

    @property
    def record(self) -> str:
        """The name of the small file in each commit that holds all but weights."""
        return HISTORY if self.directory.name == SEARCH else RECORD

    @property
    def identity(self) -> Path:
        """The identity of a retraining; that of a search is in experiment.toml."""
        return self.directory / "retraining.toml"

    def commit(self, step: int) -> Path:
        """The commit of the state after `step`."""
        return self.directory / f"{step:06d}"

    def temporary(self, step: int, token: str) -> Path:
        """Where the process with this token builds that commit."""
        return temporary_name(self.commit(step), token)

    def outgoing(self, step: int, token: str) -> Path:
        """Where the process with this token deletes that commit."""
        return self.directory / f".old-{step:06d}-{token}"

    def aside(self, step: int, reason: AsideReason) -> Path:
        """The first free name for setting that commit aside."""
        n = 1
        while os.path.lexists(path := self.directory / f"{step:06d}.{reason}-{n}"):
            n += 1
        return path

    def steps(self) -> list[int]:
        """The steps that have a commit, good or damaged, ascending."""
        return sorted(
            int(name)
            for name in names_in(self.directory)
            if _COMMIT.fullmatch(name) and name == f"{int(name):06d}"
        )


@dataclass(frozen=True)
class JobsPaths:
    """The records of one run's jobs; they lie beside the run, and outlive its deletion."""

    directory: Path

    @property
    def lock(self) -> Path:
        """One for all seeds of an experiment."""
        return jobs_lock(self.directory.parents[1])

    @property
    def spec(self) -> Path:
        """The specification of all jobs of the run."""
        return self.directory / "request.toml"

    def record(self, record_id: str) -> Path:
        """The file of one job."""
        return self.directory / f"{record_id}.json"

    def records(self) -> list[Path]:
        """The files of all jobs, in no order."""
        names = (name for name in names_in(self.directory) if _RECORD.fullmatch(name))
        return [self.directory / name for name in names]

    def logs(self, job_id: str) -> Path:
        """The directory of a job's log and submitit's files; `%j` where the id is not known yet."""
        return self.directory / job_id


@dataclass(frozen=True)
class AttemptPath:
    """The file of an attempt, with the parts of its name."""

    number: int
    token: str
    path: Path


@dataclass(frozen=True)
class RunPaths:
    """The directory of one run: one seed of one experiment."""

    directory: Path

    def refuse_shut(self) -> None:
        """Refuses a directory that cannot be listed or entered; it may be missing.

        Raises:
            StorageError: naming the reason.
        """
        if names_in(self.directory):
            with storage_errors(self.directory, "read"):
                # A Path drops the dot, without which a folder can be looked at but not entered.
                os.stat(os.path.join(self.directory, "."))  # noqa: PTH116, PTH118

    @property
    def seed(self) -> str:
        """Its number, as the directory's name has it."""
        return self.directory.name.removeprefix(_SEED)

    @property
    def experiment(self) -> Path:
        """The resolved settings."""
        return self.directory / "experiment.toml"

    @property
    def owner(self) -> Path:
        """The record of the process that may write."""
        return self.directory / "owner"

    def outgoing_owner(self, token: str) -> Path:
        """Where the process with this token deletes its owner record."""
        return self.directory / f".old-owner-{token}"

    @property
    def cancelled(self) -> Path:
        """The flag file of a run that the user cancelled."""
        return self.directory / "cancelled"

    @property
    def failed(self) -> Path:
        """The flag file of a run that failed."""
        return self.directory / "failed"

    @property
    def attempts(self) -> Path:
        """The directory of the attempts."""
        return self.directory / "attempts"

    def attempt(self, number: int, token: str) -> Path:
        """The file of one attempt."""
        return self.attempts / f"{number:04d}-{token}.jsonl"

    def find_attempts(self) -> list[AttemptPath]:
        """All attempts, by number and then by token."""
        found = (_ATTEMPT.fullmatch(name) for name in names_in(self.attempts))
        return sorted(
            (AttemptPath(int(m[1]), m[2], self.attempts / m[0]) for m in found if m),
            key=lambda attempt: (attempt.number, attempt.token),
        )

    @property
    def jobs(self) -> "JobsPaths":
        """The records of this run's jobs."""
        return JobsPaths(self.directory.parent / "jobs" / self.directory.name)

    def stage(self, name: str) -> StagePaths:
        """The directory of a stage: `search`, or `retraining/<what>`."""
        return StagePaths(self.directory / name)

    @property
    def search(self) -> StagePaths:
        """The directory of the search."""
        return self.stage(SEARCH)

    def retrainings(self) -> list[StagePaths]:
        """The retrainings that have a directory, by name."""
        folder = self.directory / _RETRAINING
        found = (StagePaths(folder / name) for name in sorted(names_in(folder)))
        return [stage for stage in found if is_folder(stage.directory)]

    def stages(self) -> list[StagePaths]:
        """The stages that have a directory: the search, then the retrainings."""
        return [self.search] * is_folder(self.search.directory) + self.retrainings()


def retraining_stage(name: str) -> str:
    """The name of the stage that a retraining is."""
    return f"{_RETRAINING}/{name}"


def seed_run(runs: Path, name: str, seed: int) -> RunPaths:
    """The run directory of one seed of the experiment of that name."""
    return RunPaths(runs / name / f"{_SEED}{seed}")


def runs_of(experiment: Path) -> list[RunPaths]:
    """The run directories in an experiment's folder, by name.

    A folder that cannot be listed counts as a run: reading it says why it cannot.
    """
    try:
        names = sorted(names_in(experiment))
    except StorageError as error:
        # A file beside the experiments is none.
        is_file = isinstance(error.__cause__, NotADirectoryError)
        return [] if is_file else [RunPaths(experiment)]
    return [RunPaths(experiment / name) for name in names if name.startswith(_SEED)]


def runs_below(runs: Path, seed: int | None = None) -> list[RunPaths]:
    """The run directories of all experiments, or of one seed of each."""
    found = [run for name in sorted(names_in(runs)) for run in runs_of(runs / name)]
    return [run for run in found if seed is None or run.directory.name == f"{_SEED}{seed}"]


def launched_runs(experiment: Path) -> list[RunPaths]:
    """The runs of an experiment that were launched, also those that were deleted since."""
    names = sorted(names_in(jobs_lock(experiment).parent))
    return [RunPaths(experiment / name) for name in names if name.startswith(_SEED)]


def jobs_lock(experiment: Path) -> Path:
    """Held while a process submits or cancels jobs of an experiment."""
    return experiment / "jobs" / "lock"


def temporary_name(path: Path, token: str) -> Path:
    """Where the process with this token writes what will become `path`."""
    return path.with_name(f".tmp-{path.name}-{token}")


def find_temporaries(directory: Path) -> Iterator[tuple[str, Path]]:
    """The (token, path) of everything in a directory whose writing or deletion has not ended."""
    for name in names_in(directory):
        if match := _TEMPORARY.fullmatch(name):
            yield match[1], directory / name
