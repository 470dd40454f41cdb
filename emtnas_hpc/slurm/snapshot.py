"""What is known of a run at one moment: read once from its directory, judged in `reconcile`."""

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.checkpoint.ownership import (
    Owner,
    Verdict,
    judge_takeover,
    observe_owner,
    read_owner,
)
from emtnas_hpc.checkpoint.paths import SEARCH, RunPaths, StagePaths
from emtnas_hpc.errors import EmtnasError
from emtnas_hpc.progress import read_progress, stages_of
from emtnas_hpc.runner.attempts import ENDS, Event, parse_line
from emtnas_hpc.runner.context import Reason
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.names import StoredExperiment, read_stored
from emtnas_hpc.slurm.job_files import JobRecord, read_flag, read_job_spec, read_records
from emtnas_hpc.slurm.profile import Profile
from emtnas_hpc.slurm.queue import QueuedJob
from emtnas_hpc.slurm.slurm import filesystem_now

#: A process that lives touches its file every 30 s.
SILENCE_S = 180.0


@dataclass(frozen=True)
class StageProgress:
    """How far a stage is.

    Attributes:
        step: the newest generation or epoch that is committed; 0 before the first.
        n_steps: that it is to reach; None where that cannot be read.
        seconds: of a generation or epoch; nan where none has been measured.
        finished: whether nothing of it is left.
        n_bytes: of its newest commit; 0 before the first.
        accuracies: by data set, in [0, 1]: the best true accuracy so far of a search, or the test
            accuracy of a retraining that is finished; None if there is none, nan if it diverged.
        diverged: what of it diverged, in words.
    """

    name: str
    step: int = 0
    n_steps: int | None = None
    seconds: float = math.nan
    finished: bool = False
    n_bytes: int = 0
    accuracies: Mapping[str, float | None] = field(default_factory=dict)
    diverged: tuple[str, ...] = ()

    @property
    def test_accuracy(self) -> float | None:
        """Of a retraining that is finished; nan if it diverged, None of anything else."""
        known = (value for value in self.accuracies.values() if self.name != SEARCH)
        return next(known, None)


@dataclass(frozen=True)
class LastAttempt:
    """The newest attempt of a run.

    Attributes:
        end: kind of the event that it ended with; None for one that records no end.
        detail: the signal, the error or the reason of that event.
        silent_s: since its last sign of life, by the file server's clock.
    """

    end: str | None
    detail: str
    silent_s: float


@dataclass(frozen=True)
class RunSnapshot:
    """What is known of a run.

    Attributes:
        stages: all of it, in the order in which they are done; at least one.
        stored: what its experiment.toml says; None without one.
        finished: whether no stage has work left.
        cancelled: the text of that flag, None without it.
        failed: likewise.
        owner: the process that its directory names as its owner.
        owner_lives: as far as this machine can see; None where it cannot.
        owner_silent_s: since the owner's last sign of life, by the file server's clock; None where
            it has given none. Others may have begun after it, seen that it lives, and left.
        last: its newest attempt, if it ever began.
        warning: of the newest attempt, about where it runs; may be empty.
        restarts: by the id of every job that has begun, how often SLURM had requeued it.
        profile: of its jobs; None for a run that was never launched, or is finished.
        jobs: those of the records that are in the queue; None where the queue cannot be asked.
        endings: how jobs that left the queue ended, by job id, as far as the accounts know.
        unreadable: what of it could not be read and stays so whatever is submitted, in a line;
            empty where all was read.
        problems: all that could not be read, in single lines.
    """

    paths: RunPaths
    stages: tuple[StageProgress, ...] = (StageProgress(SEARCH),)
    stored: StoredExperiment | None = None
    finished: bool = False
    cancelled: str | None = None
    failed: str | None = None
    owner: Owner | None = None
    owner_lives: bool | None = None
    owner_silent_s: float | None = None
    last: LastAttempt | None = None
    warning: str = ""
    restarts: Mapping[str, int] = field(default_factory=dict)
    records: Sequence[JobRecord] = ()
    profile: Profile | None = None
    jobs: Sequence[QueuedJob] | None = ()
    endings: Mapping[str, str] = field(default_factory=dict)
    unreadable: str = ""
    problems: tuple[str, ...] = ()

    @property
    def active_stage(self) -> StageProgress:
        """The first that is not finished; of a run that is done, the last."""
        return next((stage for stage in self.stages if not stage.finished), self.stages[-1])

    @property
    def search(self) -> StageProgress | None:
        """The search; None where nothing is searched."""
        return next((stage for stage in self.stages if stage.name == SEARCH), None)

    @property
    def newest_job(self) -> str | None:
        """Id of the job that was submitted last; None for a submission without an answer."""
        known = [record for record in self.records if not record.void]
        return known[-1].job_id if known else None

    @property
    def of_foreground(self) -> bool:
        """Whether its owner is a process in the foreground, dead or alive."""
        return self.owner is not None and not self.owner.job_id

    @property
    def in_foreground(self) -> bool:
        """Whether a process in the foreground works on it.

        One that cannot be seen from here does so as long as it shows signs of life.
        """
        alive = self.owner_is_heard if self.owner_lives is None else self.owner_lives
        return self.of_foreground and alive

    @property
    def owner_is_heard(self) -> bool:
        """Whether its owner has just shown that it lives."""
        return self.owner_silent_s is not None and self.owner_silent_s <= SILENCE_S

    @property
    def silent_s(self) -> float | None:
        """Since the last sign of life of its owner, or else of its newest attempt."""
        if self.owner_silent_s is None and self.last is not None:
            return self.last.silent_s
        return self.owner_silent_s


def read_snapshots(
    directories: Iterable[Path], me: Owner, asked: Experiment | None = None
) -> list[RunSnapshot]:
    """Reads run directories; the file server of a folder of them is asked for its time once.

    Arguments as of `read_snapshot`.
    """
    now = cache(filesystem_now)
    return [
        read_snapshot(directory, me, now(directory.parent.parent), asked)
        for directory in directories
    ]


def read_snapshot(
    directory: Path, me: Owner, now: float, asked: Experiment | None = None
) -> RunSnapshot:
    """Reads a run directory; what cannot be read of it does not keep the rest from being read.

    Args:
        directory: of the run.
        me: this process, to tell whether an owner is of this machine.
        now: seconds since 1970 by the clock of the directory's file server.
        asked: what the run is to continue with; None for what it says itself.
    """
    paths, problems = RunPaths(directory), _Problems()
    problems.unless(paths.refuse_shut)
    if problems.lines:
        [shut] = problems.lines
        records = tuple(problems.unless(read_records, paths.jobs) or ())
        lines = tuple(problems.lines)
        return RunSnapshot(paths, records=records, unreadable=shut, problems=lines)
    stored = problems.unless(read_stored, paths)
    stages = _read_stages(paths, stored, asked, problems)
    # What cannot be read may ask for more than is known to be done.
    finished = not problems.lines and all(stage.finished for stage in stages)
    # The owner first: a process that takes the run meanwhile is then no owner without an attempt.
    owner = problems.unless(read_owner, paths.owner)
    attempts = problems.unless(summarise_attempts, paths, now) or AttemptSummary()
    cancelled = problems.unless(read_flag, paths.cancelled)
    failed = problems.unless(read_flag, paths.failed)
    records = tuple(problems.unless(read_records, paths.jobs) or ())
    # Before the specification of its jobs is read: `launch` writes that one anew.
    unreadable = next(iter(problems.lines), "")
    spec = problems.unless(read_job_spec, paths.jobs) if records and not finished else None
    return RunSnapshot(
        paths,
        stages,
        stored,
        finished=finished,
        cancelled=cancelled,
        failed=failed,
        owner=owner,
        owner_lives=_lives(owner, me) if owner else None,
        owner_silent_s=attempts.silences.get(owner.token) if owner else None,
        last=attempts.last,
        warning=attempts.warning,
        restarts=attempts.restarts,
        records=records,
        profile=spec.profile if spec else None,
        unreadable=unreadable,
        problems=tuple(problems.lines),
    )


T = TypeVar("T")


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


def _lives(owner: Owner, me: Owner) -> bool | None:
    verdict = judge_takeover(owner, me, observe_owner(owner))
    return {Verdict.TAKE: False, Verdict.REFUSE: True}.get(verdict)


def _read_stages(
    paths: RunPaths,
    stored: StoredExperiment | None,
    asked: Experiment | None,
    problems: _Problems,
) -> tuple[StageProgress, ...]:
    experiment = asked or (stored.experiment if stored else None)
    stages: list[StageProgress] = []
    for name in problems.unless(_stage_names, paths, stored, experiment) or [SEARCH]:
        progress = None
        # Nothing is trained from scratch before the search has ended.
        if not stages or stages[0].name != SEARCH or stages[0].finished:
            progress = problems.unless(_read_stage, paths.stage(name))
        stages.append(progress or StageProgress(name, n_steps=_n_steps(name, experiment)))
    return tuple(stages)


def _stage_names(
    paths: RunPaths, stored: StoredExperiment | None, experiment: Experiment | None
) -> Sequence[str]:
    if stored is not None and not stored.signatures:
        # Made for architectures from elsewhere: nothing is searched there.
        return [stage.name for stage in paths.retrainings()]
    return stages_of(experiment) if experiment else [SEARCH]


def _n_steps(name: str, experiment: Experiment | None) -> int | None:
    if experiment is None:
        return None
    return experiment.search.generations if name == SEARCH else experiment.retraining.epochs


def _read_stage(stage: StagePaths) -> StageProgress | None:
    """How far a stage is by the manifest of its newest commit; None before the first."""
    summary = read_progress(stage)
    if summary is None:
        return None
    is_search = stage.name == SEARCH
    accuracies: dict[str, float | None] = {}
    diverged = []
    for name, result in summary.tasks.items():
        accuracies[name] = result.accuracy
        if result.diverged:
            what = f"the search of {name} diverged in {result.diverged}"
            diverged.append(what if is_search else f"{stage.name} diverged")
            if is_search or summary.finished:
                accuracies[name] = math.nan
    return StageProgress(
        stage.name,
        summary.step,
        summary.n_steps,
        math.nan if summary.seconds is None else summary.seconds,
        finished=summary.finished,
        n_bytes=summary.n_bytes,
        accuracies=accuracies,
        diverged=tuple(diverged),
    )


#: Events that end an attempt with work left.
_UNFINISHED = ENDS - {Event.FINISHED}
_END = re.compile("|".join(f'"{kind}"' for kind in _UNFINISHED).encode())
_WARNING = re.compile(f'"{Event.NO_GPU}"'.encode())

#: Why an attempt stopped that got no signal, as what follows `by`: words for every `Reason`.
_REASONS: Mapping[str, str] = {Reason.TIME_LIMIT: "its time limit", Reason.CANCELLED: "`cancel`"}


@dataclass(frozen=True)
class AttemptSummary:
    """The attempts of a run.

    Attributes:
        last: the newest; None if it never began.
        restarts: by the id of every job that has begun, how often SLURM had requeued it.
        warning: of the newest attempt, about where it runs; empty if it had none.
        silences: by the token of every attempt, seconds since its last sign of life.
    """

    last: LastAttempt | None = None
    restarts: Mapping[str, int] = field(default_factory=dict)
    warning: str = ""
    silences: Mapping[str, float] = field(default_factory=dict)


def summarise_attempts(paths: RunPaths, now: float) -> AttemptSummary:
    """Reads the first line of every attempt, and of the newest how it ended.

    `now` is the time by the clock of the directory's file server, in seconds since 1970.

    Raises:
        StorageError: the file system refused.
    """
    restarts: dict[str, int] = {}
    silences: dict[str, float] = {}
    text = b""
    attempts = paths.find_attempts()
    for found in attempts:
        with storage_errors(found.path, "read"), found.path.open("rb") as file:
            text = file.read() if found is attempts[-1] else file.readline()
            silences[found.token] = max(0.0, now - os.fstat(file.fileno()).st_mtime)
        first = parse_line(text.partition(b"\n")[0])
        if job_id := first.get("job_id"):
            count = int(first.get("restart_count") or 0)
            restarts[job_id] = max(count, restarts.get(job_id, 0))
    if not attempts:
        return AttemptSummary()
    last = _last_attempt(text, silences[attempts[-1].token])
    return AttemptSummary(last, restarts, _warning(text), silences)


def _last_attempt(text: bytes, silent_s: float) -> LastAttempt:
    # More may follow its end, so the newest of the ends is looked for backwards.
    events = (parse_line(line) for line in reversed(_lines_with(_END, text)))
    end = next((event for event in events if event.get("event") in _UNFINISHED), {})
    values = (end.get(key) for key in ("error", "signal", "reason"))
    detail = next((str(value) for value in values if value), "")
    return LastAttempt(end.get("event"), _REASONS.get(detail, detail), silent_s)


def _warning(text: bytes) -> str:
    events = (parse_line(line) for line in _lines_with(_WARNING, text))
    messages = (event.get("message") for event in events if event.get("event") == Event.NO_GPU)
    return next((str(message) for message in messages if message), "")


def _lines_with(word: "re.Pattern[bytes]", text: bytes) -> list[bytes]:
    """The lines in which it is found: most are commits, and are passed over as a whole."""
    found = [match.start() for match in word.finditer(text)]
    return [text[text.rfind(b"\n", 0, at) + 1 :].partition(b"\n")[0] for at in found]
