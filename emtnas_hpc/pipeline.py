"""What a run has still to do, stage by stage, and the way from there to its end."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from emtnas_hpc.checkpoint.atomic import write_file
from emtnas_hpc.checkpoint.commits import read_committed
from emtnas_hpc.checkpoint.ownership import acquire
from emtnas_hpc.checkpoint.paths import RunPaths, runs_below
from emtnas_hpc.data.opening import open_for_retraining
from emtnas_hpc.errors import EmtnasError, InputError
from emtnas_hpc.progress import stages_of
from emtnas_hpc.retraining.run_dir import images_retrained_on, plan_retraining, store_identity
from emtnas_hpc.retraining.run_dir import is_finished as is_retrained
from emtnas_hpc.retraining.spec import Origin, RetrainingPlan, RetrainSpec
from emtnas_hpc.runner.attempts import Event
from emtnas_hpc.runner.context import Progress, Reason, RunContext, log_once
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.search.commit_copies import copy_newest_common, folder_for_copies, is_owned
from emtnas_hpc.search.environment import prepare_environment
from emtnas_hpc.search.history import History
from emtnas_hpc.search.history_file import FILE_NAME, read_history
from emtnas_hpc.search.run_dir import (
    is_finished,
    read_stored,
    store_what_may_change,
    with_what_may_change,
)
from emtnas_hpc.search.session import (
    RunSession,
    RunSpec,
    open_session,
    search_left,
)
from emtnas_hpc.search.stage import SearchStage
from emtnas_hpc.search.verify import Comparison
from emtnas_hpc.settings.experiment import Experiment
from emtnas_hpc.settings.names import (
    StoredExperiment,
    dump_stored,
    rename,
)
from emtnas_hpc.space.architecture import Architecture, decode

log = logging.getLogger(__name__)


def find_finished(runs: Path, plan: SearchPlan) -> RunPaths | None:
    """The run directory, of whatever experiment, in which this very search is finished.

    Names count for nothing, signatures do; each is computed anew from what a directory says of
    itself. Of several the first by name; what cannot be read is no such directory.

    Args:
        runs: where run directories are.
        plan: one seed with its data.
    """
    signature = plan.identity.signature
    candidates = runs_below(runs, plan.seed)
    return next((paths for paths in candidates if _is_it(paths, plan, signature)), None)


def _is_it(paths: RunPaths, plan: SearchPlan, signature: str) -> bool:
    experiment = plan.experiment
    try:
        # Few directories come to the last question, which reads all of a commit.
        if paths.stage(SearchStage.name).steps()[-1:] != [experiment.search.generations]:
            return False
        # It goes on under the name of its folder, which may be none for an experiment.
        rename(experiment, paths.directory.parent.name)
        stored = read_stored(paths)
        return (
            stored is not None
            and stored.identity.signature == signature
            and is_finished(paths, experiment, plan.seed)
        )
    except EmtnasError:
        return False


def retrain_specs(paths: RunPaths, experiment: Experiment) -> list[RetrainSpec]:
    """Every retraining that an experiment asks for, of what its finished search found.

    Raises:
        InputError: the search is not finished.
        DamagedError: its history cannot be read.
    """
    normal_cells = experiment.retraining.normal_cells
    if not normal_cells:
        return []
    history = finished_history(paths)
    return [
        RetrainSpec(experiment, history.header.seed, *incumbent(history, found_on), task, n_normal)
        for found_on, task in experiment.retrained
        for n_normal in normal_cells
    ]


def finished_history(paths: RunPaths) -> History:
    """The history of a finished search.

    Raises:
        InputError: it is not finished: its incumbents may still change.
        DamagedError: no commit has it good.
    """
    history = read_committed(paths.stage(SearchStage.name), FILE_NAME, read_history)
    reached = history.generation if history else 0
    if history is None or reached < history.header.n_generations:
        wanted = f" of {history.header.n_generations}" if history else ""
        raise InputError(
            f"{paths.directory}: the search has reached generation {reached}{wanted}, and what it "
            "found may still change; finish it with `emtnas-hpc run` first"
        )
    return history


def incumbent(history: History, task: str) -> tuple[Architecture, Origin]:
    """What a search found for a task, and where that comes from.

    Raises:
        InputError: the search has no such task.
    """
    header = history.header
    names = [each.name for each in header.tasks]
    if task not in names:
        raise InputError(f"--task is {task!r}, but the search has {', '.join(names)}")
    found = history.incumbent(names.index(task))
    origin = Origin(task, found.id, header.signature, header.experiment_signature)
    return decode(found.chromosome), origin


def pending_stages(paths: RunPaths, experiment: Experiment, seed: int) -> tuple[str, ...]:
    """The stages that are not finished with all files good; empty: all is done.

    Raises:
        InputError: a folder belongs to other settings in a way that cannot be read.
        DamagedError: the history of a finished search cannot be read.
    """
    if not is_finished(paths, experiment, seed):
        return stages_of(experiment)
    specs = retrain_specs(paths, experiment)
    return tuple(spec.stage_name for spec in specs if not is_retrained(paths, spec))


def open_transfers(spec: RunSpec) -> None:
    """Opens the data that only retrainings read, before days of search are spent.

    Raises:
        DataError: data is not there, or has no test set.
    """
    experiment = spec.experiment
    if not experiment.retraining.normal_cells:
        return
    for name in experiment.data_sets:
        if name not in experiment.tasks:
            images = experiment.task[name]
            data = open_for_retraining(
                name,
                images,
                spec.data_dir,
                begun=images_retrained_on(spec.paths, name, images),
            )
            data.check_test_set()


def run_stages(
    spec: RunSpec,
    context: RunContext,
    retrainings: Sequence[RetrainSpec] | None = None,
    *,
    other_images: bool = False,
) -> Outcome:
    """Begins or continues a run; one that is finished needs neither its data nor torch.

    Args:
        spec: what and where; its experiment says which retrainings follow the search.
        context: of this process.
        retrainings: only these, one after the other; the search may be long finished, or there may
            be none. Which retrainings the run itself asks for stays as it is.
        other_images: whether those train on the images of now where the search saw others.

    Raises:
        InputError: data or device are not there, or a folder belongs to other settings.
        OwnedError: another process owns the run.
        EmtnasError: of the store; what was committed stands.
    """
    context = _warning_of_divergence(context)
    if retrainings is None and (search := search_left(spec)) is not None:
        open_transfers(spec)
        with open_session(spec, context) as session:
            if session.run_search(search) is Outcome.MORE:
                return Outcome.MORE
            plans = _plan_retrainings(spec, retrain_specs(spec.paths, spec.experiment))
            return _run_retrainings(session, plans, has_worked=True)
    asked = retrain_specs(spec.paths, spec.experiment) if retrainings is None else retrainings
    plans = _plan_retrainings(spec, asked, other_images=other_images)
    if not plans:
        if retrainings is None:
            _store_what_is_asked(spec, context)
        return Outcome.DONE
    with open_session(spec, context) as session:
        if retrainings is None:
            store_what_may_change(spec.paths, spec.experiment, session.opened.lease)
        else:
            _store_missing_experiment(session)
        return _run_retrainings(session, plans, has_worked=False)


def _warning_of_divergence(context: RunContext) -> RunContext:
    """It warns once for each search of a task and each retraining whose loss diverged."""
    told: set[str] = set()

    def on_progress(progress: Progress) -> None:
        context.callbacks.progress(progress)
        for name, warning in _divergences(progress.readings):
            if name not in told:
                told.add(name)
                log.warning(f"warning: {warning}")

    return replace(context, callbacks=replace(context.callbacks, progress=on_progress))


def _divergences(readings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names of what diverged, and a warning for each."""
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
    run: RunSpec, specs: Iterable[RetrainSpec], *, other_images: bool = False
) -> list[RetrainingPlan]:
    # Retrainings of several depths have the same images, which are described once.
    with log_once():
        plans = [plan_retraining(run, spec, other_images=other_images) for spec in specs]
    return [plan for plan in plans if plan is not None]


def _store_what_is_asked(spec: RunSpec, context: RunContext) -> None:
    """In the experiment.toml of a finished run, which may ask for more: a job would go on.

    One that asks for just that is only read.
    """
    stored, asked = read_stored(spec.paths), spec.experiment
    if stored is None or with_what_may_change(stored.experiment, asked) == stored.experiment:
        return
    lease = acquire(
        spec.paths, context.me, take_over=spec.take_over, job_is_gone=context.job_is_gone
    )
    try:
        store_what_may_change(spec.paths, asked, lease)
    finally:
        lease.release()


def _run_retrainings(
    session: RunSession, plans: Sequence[RetrainingPlan], *, has_worked: bool
) -> Outcome:
    """One after the other; `has_worked` says whether this attempt has made a step."""
    for plan in plans:
        if session.context.stop.requested or _is_to_stop(session, has_worked):
            return Outcome.MORE
        signature = store_identity(session.opened.paths, plan, session.opened.lease)
        stage = plan.stage(session.device, session.context.callbacks.phase, session.recorder)
        if session.run(stage, signature) is Outcome.MORE:
            return Outcome.MORE
        has_worked = True
    return Outcome.DONE


def _is_to_stop(session: RunSession, has_worked: bool) -> bool:
    """Whether it was cancelled, or no commit fits any more; how long a step takes is not known yet.

    An attempt without a step is never out of time: the next one would not get any further.
    """
    reason = session.context.reason_to_stop(0.0)
    if reason is None or (reason is Reason.DEADLINE and not has_worked):
        return False
    session.opened.attempt.event(Event.STOPPED, reason=reason)
    return True


def _store_missing_experiment(session: RunSession) -> None:
    """In the folder of an architecture from elsewhere; it has no signature of a search.

    One that is there stays: the spec may have been made from an older one.
    """
    spec, lease = session.spec, session.opened.lease
    if read_stored(spec.paths) is not None:
        return
    stored = StoredExperiment(spec.experiment, spec.seed, {}, {})
    lease.check()
    write_file(spec.paths.experiment, dump_stored(stored), lease.token)


def common_retrainings(a: RunPaths, b: RunPaths) -> list[str]:
    """The stages that both runs have a commit of the same step of."""
    names = [f"retraining/{s.directory.name}" for s in a.stages() if s != a.stage("search")]
    return [name for name in names if set(a.stage(name).steps()) & set(b.stage(name).steps())]


def compare_retrainings(a: RunPaths, b: RunPaths) -> Iterator[tuple[str, Comparison]]:
    """Compares the newest step of every retraining that both runs have committed.

    Raises:
        DamagedError: one of the commits is damaged.
    """
    for name in common_retrainings(a, b):
        with folder_for_copies() as folder:
            owned = (is_owned(a), is_owned(b))
            copies = copy_newest_common(a.stage(name), b.stage(name), folder, owned=owned)
            prepare_environment()
            from emtnas_hpc.retraining.stage import retraining_differences

            difference = next(retraining_differences(*(c.directory for c in copies)), None)
        yield name, Comparison(copies[0].step, difference)
