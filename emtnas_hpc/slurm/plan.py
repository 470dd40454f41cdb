"""What a launch would do: what becomes of each seed, and how long it all takes. Changes nothing."""

import math
import shutil
import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from emtnas_hpc.checkpoint.os_errors import is_folder
from emtnas_hpc.checkpoint.ownership import this_process
from emtnas_hpc.checkpoint.paths import SEARCH, RunPaths, runs_of
from emtnas_hpc.errors import EmtnasError, InputError, StorageError
from emtnas_hpc.runner.attempts import read_attempts
from emtnas_hpc.search.spec import SearchPlan
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.slurm.acceptance import check_acceptance, memory_hint
from emtnas_hpc.slurm.estimate import (
    GENERATION_S,
    Measure,
    SeedEstimate,
    disk_need,
    estimate_seed,
    estimate_warnings,
    guess_commits,
    measure_stages,
    usable_seconds,
    work_ahead,
)
from emtnas_hpc.slurm.missing_jobs import Seed
from emtnas_hpc.slurm.profile import Resolved
from emtnas_hpc.slurm.reconcile import Action, Decision, reconcile
from emtnas_hpc.slurm.slurm import format_bytes
from emtnas_hpc.slurm.snapshot import RunSnapshot, read_snapshots
from emtnas_hpc.slurm.submit import sbatch_text


@dataclass(frozen=True)
class PlannedSeed:
    """What would become of a seed.

    Attributes:
        decision: what would be done about it.
        estimate: what is ahead of it, without the unmeasured retrainings.
        unmeasured: retrainings that are left and of which no epoch has been measured.
        disk_bytes: that its run directory will take besides what it has.
    """

    seed: Seed
    decision: Decision
    estimate: SeedEstimate
    unmeasured: tuple[str, ...]
    disk_bytes: float


@dataclass(frozen=True)
class LaunchPlan:
    """What would become of seeds of one experiment.

    Attributes:
        resolved: what their jobs ask for, and why.
        commit: bytes of a commit of the search.
        warnings: what will not work out, and remarks on what the jobs ask for, in single lines.
    """

    experiment: Experiment
    resolved: Resolved
    pace: Measure
    commit: Measure
    seeds: tuple[PlannedSeed, ...]
    warnings: tuple[str, ...]

    @property
    def submitted(self) -> tuple[PlannedSeed, ...]:
        """Those that would be submitted."""
        return tuple(seed for seed in self.seeds if seed.decision.action is Action.SUBMIT)

    @property
    def disk_bytes(self) -> float:
        """What the run directories of all of them will take besides what they have."""
        return sum(seed.disk_bytes for seed in self.seeds)


def plan_launch(
    resolved: Resolved,
    seeds: Sequence[Seed],
    runs: Sequence[RunSnapshot],
    *,
    resuming: bool = False,
    earlier: Sequence[LaunchPlan] = (),
) -> LaunchPlan:
    """What would become of seeds; asks SLURM whether it would accept their jobs.

    The seeds are of one experiment, `runs` what is known of each; `resuming` continues cancelled
    runs. What `earlier` plans of the same command say of the jobs is neither asked nor said again.

    Raises:
        InputError: SLURM would not accept such a job.
        SchedulerError: SLURM cannot be asked.
    """
    experiment, profile = seeds[0].experiment, resolved.profile
    known = [*runs, *_siblings(runs)]
    pace = _measure_pace(known, next((seed.plan for seed in seeds if seed.plan), None))
    paces = {**measure_stages(known), SEARCH: pace.value}
    commits = _measure_commits(known, experiment)
    rows = []
    for seed, run in zip(seeds, runs, strict=True):
        decision = reconcile(run, profile.spares, resuming=resuming)
        retraining = work_ahead((stage for stage in run.stages if stage.name != SEARCH), paces)
        estimate = estimate_seed(
            run.search.step if run.search else 0,
            experiment.search.generations,
            pace.value,
            usable_seconds(profile),
            retraining_s=retraining.known_s,
        )
        stopped = run.cancelled is not None or decision.unreadable
        rests = decision.action is Action.LEAVE and stopped
        disk_bytes = 0.0 if rests else _disk_bytes(run, commits, experiment.run.keep_commits)
        rows.append(
            PlannedSeed(
                seed,
                decision,
                estimate,
                unmeasured=retraining.unmeasured,
                disk_bytes=disk_bytes,
            )
        )
    said = {line for plan in earlier for line in plan.warnings}
    warnings = tuple(line for line in resolved.remarks if line not in said)
    plan = LaunchPlan(
        experiment,
        resolved,
        pace=pace,
        commit=commits[SEARCH],
        seeds=tuple(rows),
        warnings=warnings,
    )
    if not plan.submitted:
        return plan
    accepted: list[str] = []
    if not any(each.submitted and each.resolved.profile == profile for each in earlier):
        first = plan.submitted[0].seed
        try:
            _waits, accepted = check_acceptance(sbatch_text(first.run, first.spec))
        except InputError as error:
            raise InputError(f"{error}{memory_hint(error)}") from None
    accepted = [line for line in accepted if line not in said]
    estimates = [row.estimate for row in plan.submitted]
    hopeless = estimate_warnings(estimates, pace, profile, n_standby=profile.spares)
    return replace(plan, warnings=(*warnings, *accepted, *hopeless))


def _siblings(runs: Sequence[RunSnapshot]) -> list[RunSnapshot]:
    """The other seeds in the folder; they may have measured something."""
    known = {run.paths.directory for run in runs}
    there = {run.directory for run in runs_of(runs[0].paths.directory.parent)}
    return read_snapshots(sorted(there - known), this_process())


def _measure_pace(runs: Sequence[RunSnapshot], search: SearchPlan | None) -> Measure:
    """Seconds of a generation: as measured in seeds of this very experiment, else a guess."""
    signature = search.identity.experiment_signature if search else ""
    measured = {
        run.paths.directory.name: (run.search.seconds, _device(run.paths))
        for run in runs
        if run.search is not None
        and not math.isnan(run.search.seconds)
        and run.stored is not None
        and run.stored.identity.experiment_signature == signature
    }
    if not measured:
        return Measure(GENERATION_S, "guess: the paper's CIFAR search on a 2080Ti", guess=True)
    seconds = statistics.median(seconds for seconds, _device in measured.values())
    devices = sorted({device for _seconds, device in measured.values()} - {""})
    where = f" on {', '.join(devices)}" if devices else ""
    return Measure(seconds, f"measured in {', '.join(measured)}{where}")


def _device(paths: RunPaths) -> str:
    try:
        attempts = read_attempts(paths)
    except EmtnasError:
        return ""
    models = [attempt.provenance.get("device_model") for attempt in attempts]
    return next((str(model) for model in reversed(models) if model), "")


def _measure_commits(runs: Sequence[RunSnapshot], experiment: Experiment) -> Mapping[str, Measure]:
    """Bytes of a commit by the name of the stage: as they lie there, else a guess."""
    guessed = "guess: from the networks' sizes"
    commits = {
        name: Measure(size, guessed, guess=True) for name, size in guess_commits(experiment).items()
    }
    for run in reversed(runs):  # the first one counts
        for stage in run.stages:
            if stage.n_bytes and stage.name in commits:
                commits[stage.name] = Measure(
                    stage.n_bytes, f"measured in {run.paths.directory.name}"
                )
    return commits


def _disk_bytes(run: RunSnapshot, commits: Mapping[str, Measure], keep: int) -> float:
    stages = []
    for stage in run.stages:
        if not stage.finished and stage.name in commits:
            n_there = 0
            with suppress(StorageError):  # of a run that cannot be read nothing is submitted
                n_there = len(run.paths.stage(stage.name).steps())
            stages.append((commits[stage.name].value, n_there))
    return disk_need(stages, keep)


def with_disk_warnings(plans: Sequence[LaunchPlan]) -> list[LaunchPlan]:
    """The plans of one launch, the first of each file system that is too full with a warning.

    All plans share the room that there is.
    """
    devices: dict[int, list[int]] = {}
    for i, plan in enumerate(plans):
        devices.setdefault(_existing_folder(plan).stat().st_dev, []).append(i)
    warned = list(plans)
    for indices in devices.values():
        first = plans[indices[0]]
        if line := _disk_warning([plans[i] for i in indices]):
            warned[indices[0]] = replace(first, warnings=(*first.warnings, line))
    return warned


def _disk_warning(plans: Sequence[LaunchPlan]) -> str:
    folder, needed = _existing_folder(plans[0]), sum(plan.disk_bytes for plan in plans)
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return ""
    if free >= needed or not any(plan.submitted for plan in plans):
        return ""
    return (
        f"{folder} has {format_bytes(free)} left, and these runs will take up to "
        f"{format_bytes(needed)} more: make room"
    )


def _existing_folder(plan: LaunchPlan) -> Path:
    """The folder that is there and in which the runs are made."""
    directory = plan.seeds[0].seed.run.directory.absolute()
    for path in (directory, *directory.parents):
        with suppress(StorageError):
            if is_folder(path):
                return path
    return Path("/")
