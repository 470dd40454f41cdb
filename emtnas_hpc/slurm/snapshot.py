"""What a run directory says of its seed by itself: its stages, its jobs, its attempts."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TypeVar

from emtnas_hpc.checkpoint.manifest import Summary
from emtnas_hpc.checkpoint.ownership import (
    Owner,
    Verdict,
    judge_takeover,
    observe_owner,
    read_owner,
)
from emtnas_hpc.checkpoint.paths import SEARCH, RunPaths
from emtnas_hpc.errors import EmtnasError, StorageError
from emtnas_hpc.progress import read_progress, stages_of
from emtnas_hpc.runner.attempts import read_attempts
from emtnas_hpc.search.run_dir import read_stored
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.names import StoredExperiment
from emtnas_hpc.slurm.crash_loop import AttemptSummary, summarise_attempts
from emtnas_hpc.slurm.estimate import GENERATION_S, Limits, Measure, guess_commits
from emtnas_hpc.slurm.jobs import read_flag, read_job_spec, read_records
from emtnas_hpc.slurm.reconcile import ObservedState
from emtnas_hpc.slurm.slurm import filesystem_now


@dataclass(frozen=True)
class StageProgress:
    """How far a stage is.

    Attributes:
        name: of the stage.
        step: the newest generation or epoch that is committed; 0 before the first.
        n_steps: that it is to reach; None where that cannot be read.
        seconds: of a generation or epoch; nan where none has been measured.
        finished: whether nothing of it is left.
        task: that a retraining trains on; empty before its first commit, and of the search.
        test_accuracy: of a retraining, in [0, 1]; None until it is finished, nan if it diverged.
        diverged: of a retraining, whether a loss of it was no finite number.
    """

    name: str
    step: int = 0
    n_steps: int | None = None
    seconds: float = math.nan
    finished: bool = False
    task: str = ""
    test_accuracy: float | None = None
    diverged: bool = False


@dataclass(frozen=True)
class Ahead:
    """Work that is ahead of a run, as far as it can be told.

    Attributes:
        seconds: of those stages of which steps have been measured; nan if there is none of them.
        unmeasured: names of the other stages that are not finished.
    """

    seconds: float
    unmeasured: tuple[str, ...]

    @property
    def known_s(self) -> float:
        """The seconds; 0 if nothing was measured."""
        return 0.0 if math.isnan(self.seconds) else self.seconds


def stage_names(
    paths: RunPaths, stored: StoredExperiment | None, experiment: Experiment | None
) -> Sequence[str]:
    """The stages of a run, in the order in which they are done; at least one.

    Args:
        paths: of the run.
        stored: what the directory says of itself.
        experiment: what the run is for, where that is known.
    """
    if stored is not None and not stored.signatures:
        # Made for architectures from elsewhere: nothing is searched there.
        return [stage.name for stage in paths.retrainings()] or [SEARCH]
    return stages_of(experiment) if experiment else [SEARCH]


def search_stage(progress: Summary | None, experiment: Experiment | None) -> StageProgress:
    """The search as a stage.

    Args:
        progress: of it; None before its first commit.
        experiment: what the run is for, where that is known.
    """
    if progress is None:
        return StageProgress(SEARCH, n_steps=experiment.search.generations if experiment else None)
    seconds = math.nan if progress.seconds is None else progress.seconds
    return StageProgress(SEARCH, progress.step, progress.n_steps, seconds, progress.finished)


def read_retraining_stage(
    paths: RunPaths, name: str, experiment: Experiment | None
) -> StageProgress:
    """How far a retraining is.

    Args:
        paths: of the run.
        name: of the stage.
        experiment: what the run is for, where that is known.

    Raises:
        DamagedError: no commit can be read.
    """
    progress = read_progress(paths.stage(name))
    if progress is None:
        return retraining_ahead(name, experiment)
    [(task, result)] = progress.tasks.items()
    accuracy = math.nan if progress.finished and result.diverged else result.accuracy
    return StageProgress(
        name,
        progress.step,
        progress.n_steps,
        math.nan if progress.seconds is None else progress.seconds,
        progress.finished,
        task,
        accuracy,
        bool(result.diverged),
    )


def retraining_ahead(name: str, experiment: Experiment | None) -> StageProgress:
    """A retraining that has not begun."""
    return StageProgress(name, n_steps=experiment.retraining.epochs if experiment else None)


def under_way(stages: Sequence[StageProgress]) -> StageProgress:
    """The first that is not finished; of a run that is done, the last."""
    return next((stage for stage in stages if not stage.finished), stages[-1])


def work_ahead(stages: Iterable[StageProgress], paces: Mapping[str, float]) -> Ahead:
    """The work of these stages to their end.

    Args:
        stages: of a run.
        paces: seconds of a step by the name of the stage, where they have been measured.
    """
    seconds, unmeasured = [], []
    for stage in stages:
        if stage.finished:
            continue
        pace = paces.get(stage.name, math.nan)
        if stage.n_steps is None or math.isnan(pace):
            unmeasured.append(stage.name)
        else:
            seconds.append(pace * (stage.n_steps - stage.step))
    return Ahead(sum(seconds) if seconds else math.nan, tuple(unmeasured))


T = TypeVar("T")


@dataclass(frozen=True)
class RunSnapshot:
    """What was read of a run directory.

    Attributes:
        paths: of the run.
        evidence: of its state, as far as the directory has it.
        progress: of its search; None before the first commit, or where none can be read.
        stages: all of the run, in the order in which they are done; at least one.
        restarts: by the id of every job that has begun, how often SLURM had requeued it.
        problems: what could not be read, in single lines.
        limits: of its jobs; None for one that was never launched, or is finished.
        warning: what its newest start had to say of where it runs, in a line; may be empty.
    """

    paths: RunPaths
    evidence: ObservedState = field(default_factory=ObservedState)
    progress: Summary | None = None
    stages: tuple[StageProgress, ...] = (StageProgress(SEARCH),)
    restarts: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    limits: Limits | None = None
    warning: str = ""

    @property
    def under_way(self) -> StageProgress:
        """The stage that it is at; of a run that is done, the last."""
        return under_way(self.stages)

    @property
    def n_generations(self) -> int | None:
        """That the search is to reach; None where that cannot be read, or nothing is searched."""
        return next((stage.n_steps for stage in self.stages if stage.name == SEARCH), None)

    @property
    def generation(self) -> int:
        """The newest that is committed; 0 before the first."""
        return self.progress.step if self.progress else 0

    @property
    def seconds(self) -> float:
        """Of a generation; nan where none has been measured."""
        seconds = self.progress.seconds if self.progress else None
        return math.nan if seconds is None else seconds


def read_snapshot(
    directory: Path, me: Owner, now: float, asked: Experiment | None = None
) -> RunSnapshot:
    """Reads a run directory; what cannot be read of it does not keep the rest from being read.

    Args:
        directory: of the run.
        me: this process, to tell whether an owner is of this machine.
        now: seconds since 1970 by the clock of the directory's file server.
        asked: what the run is to be carried on with; None for what it says itself.
    """
    paths, problems = RunPaths(directory), _Problems()
    problems.unless(paths.refuse_shut)
    if problems.lines:
        [shut] = problems.lines
        records = tuple(problems.unless(read_records, paths.jobs) or ())
        evidence = ObservedState(records=records, unreadable=shut)
        return RunSnapshot(paths, evidence, problems=tuple(problems.lines))
    progress = problems.unless(read_progress, paths.search)
    stages = _stages(paths, progress, asked, problems)
    # What cannot be read may ask for more than is known to be done.
    finished = not problems.lines and all(stage.finished for stage in stages)
    # The owner first: whoever takes the run meanwhile is then no owner without a start.
    owner = problems.unless(read_owner, paths.owner)
    starts = problems.unless(summarise_attempts, paths, now) or AttemptSummary(None, {})
    evidence = ObservedState(
        finished=finished,
        cancelled=problems.unless(read_flag, paths.cancelled),
        failed=problems.unless(read_flag, paths.failed),
        owner=owner,
        owner_lives=_lives(owner, me) if owner else None,
        owner_silent_s=starts.silences.get(owner.token) if owner else None,
        last=starts.last,
        records=tuple(problems.unless(read_records, paths.jobs) or ()),
    )
    # Before the request of its jobs is read: that is no obstacle, a launch writes it anew.
    evidence = replace(evidence, unreadable=next(iter(problems.lines), ""))
    has_jobs = evidence.records and not evidence.finished
    limits = problems.unless(_limits, paths) if has_jobs else None
    lines = tuple(problems.lines)
    return RunSnapshot(
        paths, evidence, progress, stages, starts.restarts, lines, limits, starts.warning
    )


def read_snapshots(directories: Iterable[Path], me: Owner) -> list[RunSnapshot]:
    """Reads run directories; the file server of a folder of them is asked for its time once."""
    now = cache(filesystem_now)
    return [read_snapshot(directory, me, now(directory.parent.parent)) for directory in directories]


class _Problems:
    """What went wrong so far."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def unless(self, read: Callable[..., T], *arguments: object) -> T | None:
        """What is read; None, and a line more, where it cannot be."""
        try:
            return read(*arguments)
        except EmtnasError as error:
            if str(error) not in self.lines:
                self.lines.append(str(error))
            return None


def _stages(
    paths: RunPaths, search: Summary | None, asked: Experiment | None, problems: _Problems
) -> tuple[StageProgress, ...]:
    stored = problems.unless(read_stored, paths)
    experiment = asked or (stored.experiment if stored else None)
    stages: list[StageProgress] = []
    for name in problems.unless(stage_names, paths, stored, experiment) or [SEARCH]:
        ahead = retraining_ahead(name, experiment)
        if name == SEARCH:
            stages.append(search_stage(search, experiment))
        elif stages and stages[0].name == SEARCH and not stages[0].finished:
            stages.append(ahead)  # nothing is trained from scratch before the search has ended
        else:
            read = problems.unless(read_retraining_stage, paths, name, experiment)
            stages.append(read or ahead)
    return tuple(stages)


def _limits(paths: RunPaths) -> Limits | None:
    request = read_job_spec(paths.jobs)
    return Limits(request.limit_s, request.profile.lead_time_s) if request else None


def _lives(owner: Owner, me: Owner) -> bool | None:
    verdict = judge_takeover(owner, me, observe_owner(owner))
    return {Verdict.TAKE: False, Verdict.REFUSE: True}.get(verdict)


_GUESS = "guess: from the networks' sizes"


def measure_pace(sights: Sequence[RunSnapshot], experiment_signature: str) -> Measure:
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
        and sight.progress.experiment_signature == experiment_signature
    }
    if not measured:
        return Measure(GENERATION_S, "guess: the paper's CIFAR search on a 2080Ti")
    seconds = statistics.median(sight.seconds for sight in measured.values())
    devices = sorted({_device(sight.paths) for sight in measured.values()} - {""})
    where = f" on {', '.join(devices)}" if devices else ""
    return Measure(seconds, f"measured in {', '.join(measured)}{where}")


def measure_stages(sights: Iterable[RunSnapshot]) -> Mapping[str, float]:
    """Seconds of a step by the name of the stage, of those that were measured: medians.

    Args:
        sights: of seeds of one experiment.
    """
    measured: dict[str, list[float]] = {}
    for stage in (stage for sight in sights for stage in sight.stages):
        if not math.isnan(stage.seconds):
            measured.setdefault(stage.name, []).append(stage.seconds)
    return {name: statistics.median(seconds) for name, seconds in measured.items()}


def measure_commits(sights: Sequence[RunSnapshot], experiment: Experiment) -> Mapping[str, Measure]:
    """Bytes of a commit by the name of the stage: as they lie there, else a guess."""
    guesses = guess_commits(experiment).items()
    return {name: _commit(sights, name) or Measure(size, _GUESS) for name, size in guesses}


def _commit(sights: Sequence[RunSnapshot], name: str) -> Measure | None:
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
