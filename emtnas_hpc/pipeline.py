"""The stages of a run that are left, and running them one after the other."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emtnas_hpc.checkpoint.commits import read_committed
from emtnas_hpc.checkpoint.ownership import acquire
from emtnas_hpc.checkpoint.paths import HISTORY, RunPaths
from emtnas_hpc.data.opening import open_for_retraining
from emtnas_hpc.errors import InputError
from emtnas_hpc.progress import stages_of
from emtnas_hpc.retraining.run_dir import images_retrained_on, plan_retraining, store_identity
from emtnas_hpc.retraining.run_dir import is_finished as is_retrained
from emtnas_hpc.retraining.spec import Origin, RetrainingPlan, RetrainSpec
from emtnas_hpc.runner.attempts import Event
from emtnas_hpc.runner.context import Progress, Reason, RunContext, log_once
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.search.run_dir import (
    is_finished,
    search_left,
    store_what_may_change,
    with_what_may_change,
    write_stored,
)
from emtnas_hpc.search.spec import RunSpec, SearchPlan
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.names import StoredExperiment, read_stored
from emtnas_hpc.space.architecture import Architecture, decode

# What runs, repeats or reads a search is imported where it is needed: `launch` does none of it.
if TYPE_CHECKING:
    from emtnas_hpc.search.history import History
    from emtnas_hpc.search.session import RunSession
    from emtnas_hpc.search.verify import CommitComparison

log = logging.getLogger(__name__)


def retrain_specs(paths: RunPaths, experiment: Experiment) -> list[RetrainSpec]:
    """Every retraining that an experiment asks for, of the incumbents of its finished search.

    Raises:
        InputError: the search is not finished.
        DamagedError: its history cannot be read.
    """
    normal_cells = experiment.retraining.normal_cells
    if not normal_cells:
        return []
    history = finished_history(paths)
    specs = []
    for found_on, task in experiment.retrained:
        architecture, origin = incumbent(history, found_on)
        specs += [
            RetrainSpec(
                experiment,
                history.header.seed,
                architecture,
                origin,
                task=task,
                n_normal=n_normal,
            )
            for n_normal in normal_cells
        ]
    return specs


def finished_history(paths: RunPaths) -> "History":
    """The history of a finished search.

    Raises:
        InputError: it is not finished: its incumbents may still change.
        DamagedError: no commit has it good.
    """
    from emtnas_hpc.search.history_file import read_history

    history = read_committed(paths.search, HISTORY, read_history)
    if history is None or not history.finished:
        reached = history.generation if history else 0
        wanted = f" of {history.header.n_generations}" if history else ""
        raise InputError(
            f"{paths.directory}: the search has reached generation {reached}{wanted}, and what it "
            "found may still change; finish it with `emtnas-hpc run` first"
        )
    return history


def incumbent(history: "History", task: str | None) -> tuple[Architecture, Origin]:
    """The architecture that a search found for a task so far, and its origin.

    Raises:
        InputError: the search has no such task.
    """
    header = history.header
    names = [each.name for each in header.tasks]
    if task not in names:
        raise InputError(f"task is {task!r}, expected one of {', '.join(names)}")
    found = history.incumbent(names.index(task))
    origin = Origin(task, found.id, header.signature, header.experiment_signature)
    return decode(found.chromosome), origin


def pending_stages(paths: RunPaths, experiment: Experiment, seed: int) -> tuple[str, ...]:
    """The stages that are not finished with all files good; empty if all is done.

    Raises:
        InputError: a folder cannot be read as that of a retraining.
        DamagedError: the history of a finished search cannot be read.
    """
    if not is_finished(paths, experiment, seed):
        return stages_of(experiment)
    specs = retrain_specs(paths, experiment)
    return tuple(spec.stage_name for spec in specs if not is_retrained(paths, spec))


def check_test_sets(spec: RunSpec, plan: SearchPlan) -> None:
    """Looks for the test sets that retrainings end in, before days of search are spent.

    Raises:
        DataError: data that only retrainings read is not there, or a test set is missing.
    """
    experiment = spec.experiment
    if not experiment.retraining.normal_cells:
        return
    for name in experiment.data_sets:
        if name in plan.data:
            plan.data[name].check_test_set()
        else:
            images = experiment.task[name]
            begun = images_retrained_on(spec.paths, name, images)
            open_for_retraining(name, images, spec.data_dir, begun=begun).check_test_set()


def run_stages(
    spec: RunSpec,
    context: RunContext,
    retrainings: Sequence[RetrainSpec] | None = None,
    *,
    other_images: bool = False,
) -> Outcome:
    """Begins or continues a run; one that is finished needs neither its data nor torch.

    Args:
        spec: its experiment says which retrainings follow the search.
        context: of this process.
        retrainings: only these, one after the other, and no search. The retrainings that the run
            itself asks for stay as they are.
        other_images: whether those train on the images of now where the search saw others.

    Raises:
        InputError: data or device are not there, or a folder belongs to other settings.
        OwnedError: another process owns the run.
        EmtnasError: of the store; what was committed stands.
    """
    from emtnas_hpc.search.session import open_session

    context = _warning_of_divergence(context)
    if retrainings is None and (search := search_left(spec)) is not None:
        check_test_sets(spec, search)
        with open_session(spec, context) as session:
            if session.run_search(search) is Outcome.MORE:
                return Outcome.MORE
            plans = _plan_retrainings(spec, retrain_specs(spec.paths, spec.experiment))
            return _run_retrainings(session, plans, has_worked=True)
    asked = retrain_specs(spec.paths, spec.experiment) if retrainings is None else retrainings
    plans = _plan_retrainings(spec, asked, other_images=other_images)
    if not plans:
        if retrainings is None:
            _store_of_finished(spec, context)
        return Outcome.DONE
    with open_session(spec, context) as session:
        lease = session.opened.lease
        if retrainings is None:
            store_what_may_change(spec.paths, spec.experiment, lease)
        elif read_stored(spec.paths) is None:
            # The folder of an architecture from elsewhere: nothing is searched there.
            write_stored(spec.paths, StoredExperiment(spec.experiment, spec.seed, {}, {}), lease)
        return _run_retrainings(session, plans, has_worked=False)


def _warning_of_divergence(context: RunContext) -> RunContext:
    """A context that warns once for each task and each retraining whose loss diverged."""
    told: set[str] = set()

    def on_progress(progress: Progress) -> None:
        context.callbacks.progress(progress)
        for name, warning in _divergences(progress.readings):
            if name not in told:
                told.add(name)
                log.warning(f"warning: {warning}")

    return replace(context, callbacks=replace(context.callbacks, progress=on_progress))


def _divergences(readings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The name of each search of a task and each retraining that diverged, with a warning."""
    for task, generation in readings.get("diverged_in", {}).items():
        yield (
            task,
            f"the training loss of {task} diverged in generation {generation}; the search goes on, "
            "but what it finds there means little: choose a lower training.learning_rate",
        )
    if readings.get("diverged"):
        name, where = readings["retraining"], readings["diverged"]
        goes_on = "" if readings["test_accuracy"] is not None else "goes on, but "
        yield (
            f"retraining {name}",
            f"the training of {name} diverged in {where}; it {goes_on}is no result and counts in "
            "no report: choose a lower retraining.learning_rate",
        )


def _plan_retrainings(
    run: RunSpec, specs: Sequence[RetrainSpec], *, other_images: bool = False
) -> list[RetrainingPlan]:
    # Retrainings of several depths have the same images, which are described once.
    with log_once():
        plans = [plan_retraining(run, spec, other_images=other_images) for spec in specs]
    return [plan for plan in plans if plan is not None]


def _store_of_finished(spec: RunSpec, context: RunContext) -> None:
    """Brings the experiment.toml of a finished run up to the settings that are asked for now.

    It may ask for more retrainings, with which a job would go on.
    """
    stored, asked = read_stored(spec.paths), spec.experiment
    if stored is None or with_what_may_change(stored.experiment, asked) == stored.experiment:
        return
    with acquire(
        spec.paths, context.me, take_over=spec.take_over, job_is_gone=context.job_is_gone
    ) as lease:
        store_what_may_change(spec.paths, asked, lease)


def _run_retrainings(
    session: "RunSession", plans: Sequence[RetrainingPlan], *, has_worked: bool
) -> Outcome:
    """Runs one after the other; `has_worked` says whether this attempt has made a step."""
    for plan in plans:
        if session.context.stop.requested or _is_to_stop(session, has_worked):
            return Outcome.MORE
        signature = store_identity(session.opened.paths, plan, session.opened.lease)
        stage = plan.stage(session.device, session.context.callbacks.phase, session.recorder)
        if session.run(stage, signature) is Outcome.MORE:
            return Outcome.MORE
        has_worked = True
    return Outcome.DONE


def _is_to_stop(session: "RunSession", has_worked: bool) -> bool:
    """Whether the run was cancelled, or no time is left for a commit.

    An attempt makes one step at least, whatever the time limit: the next one has no more time.
    """
    # How long a step takes is not known yet.
    reason = session.context.reason_to_stop(0.0)
    if reason is None or (reason is Reason.TIME_LIMIT and not has_worked):
        return False
    session.opened.attempt.event(Event.STOPPED, reason=reason)
    return True


def common_retrainings(a: RunPaths, b: RunPaths) -> list[str]:
    """The names of the retrainings of which both runs have a commit of the same step."""
    names = [stage.name for stage in a.retrainings()]
    return [name for name in names if set(a.stage(name).steps()) & set(b.stage(name).steps())]


def compare_retrainings(a: RunPaths, b: RunPaths) -> Iterator[tuple[str, "CommitComparison"]]:
    """Compares the newest step of every retraining that both runs have committed.

    Raises:
        DamagedError: one of the commits is damaged.
    """
    from emtnas_hpc.retraining.stage import retraining_differences
    from emtnas_hpc.search.verify import compare_newest

    for name in common_retrainings(a, b):
        yield name, compare_newest(a, b, name, retraining_differences)
