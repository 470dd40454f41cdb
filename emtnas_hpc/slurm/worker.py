"""What a job does from its start to its end: the only place where that order is decided."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from emtnas_hpc.checkpoint.ownership import Owner, read_owner, this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.data.opening import opened_once
from emtnas_hpc.errors import EmtnasError, InputError, OwnedError, SchedulerError, SupersededError
from emtnas_hpc.pipeline import pending_stages, run_stages
from emtnas_hpc.runner.attempts import Attempt, Event, read_attempts
from emtnas_hpc.runner.context import Callbacks, Progress, Reason, RunContext, end_recorded, log_to
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.runner.signals import ReceivedSignal, StopRequest
from emtnas_hpc.search.spec import RunSpec
from emtnas_hpc.settings.hints import prepare_hints
from emtnas_hpc.settings.names import StoredExperiment, read_stored
from emtnas_hpc.slurm.crash_loop import find_crash_loop
from emtnas_hpc.slurm.job import JobSignalPolicy
from emtnas_hpc.slurm.job_files import (
    JobRecord,
    JobSpec,
    read_flag,
    read_job_spec,
    read_records,
    write_flag,
)
from emtnas_hpc.slurm.queue import gone_jobs, read_queue
from emtnas_hpc.slurm.standby import StandbyKeeper, cancel_standby
from emtnas_hpc.slurm.this_job import (
    JobEnvironment,
    TimeLimit,
    job_environment,
    predecessors,
    time_limit,
)

log = logging.getLogger(__name__)

#: To commit and requeue takes so long once the step under way has ended.
_EXIT_S = 30.0


def run_worker(run: RunPaths, stop: StopRequest, policy: JobSignalPolicy) -> bool:
    """Continues a seed until it is done, cancelled or failed, or has to make room.

    The `with` block of `stop`, which was made with `policy`, is active.

    Returns:
        Whether there is work left for another attempt.

    Raises:
        StoppedError: a signal came while no step was under way.
        EmtnasError: the run failed, by its search or by too many starts.
    """
    job = job_environment()
    me = this_process(job_id=job.job_id, restart_count=job.restart_count)
    here = {"owned": False, "job_id": job.job_id, "restart_count": job.restart_count}
    with log_to(print_line), Attempt(run, me.token, here) as attempt:
        worker = Worker(run, me, attempt, stop, job=job)
        policy.on_signal = worker.record_signal
        try:
            with end_recorded(attempt):
                return worker.run()
        except SupersededError:
            raise  # what is to be done is the new owner's business
        except Exception:
            worker.mark_failed_if_hopeless()
            raise


class Worker:
    """One attempt of a job; signals are deferred, except while its stages run."""

    def __init__(
        self, run: RunPaths, me: Owner, attempt: Attempt, stop: StopRequest, *, job: JobEnvironment
    ) -> None:
        self._run = run
        self._job = job
        self._me = me
        self._attempt = attempt
        self._stop = stop
        self._limit = TimeLimit()
        self._standby: StandbyKeeper | None = None

    def run(self) -> bool:
        """All of it; returns whether there is work left."""
        with self._stop.deferred():
            if reason := self._reason_to_leave():
                self._leave(reason)
                return False
            living = self._living_owner()
            if reason := find_crash_loop(read_attempts(self._run), living):
                self._mark_failed(reason)
                raise EmtnasError(f"the run has failed: {reason}")
            spec = self._read_spec()
            self._read_time_limit(spec.profile.lead_time_s)
            self._standby = StandbyKeeper(self._run, spec, self._job, self._report)
            if living is None:
                # A crash may come before the first step. Beside an owner that may live, no standby
                # job is needed until it is known to be dead.
                self._standby.ensure()
        self._stop.leave_if_requested()
        try:
            outcome = self._work(spec)
        except OwnedError as error:
            with self._stop.deferred():
                self._leave(str(error), own_standby=True)
                return False
        with self._stop.deferred():
            if outcome is Outcome.MORE and not self._run.cancelled.exists():
                # The standby job stays: it continues if SLURM refuses to requeue this one.
                return True
            cancel_standby(self._run, self._job)
            return False

    def _reason_to_leave(self) -> str | None:
        """Why there is nothing to do for any job; None where there is."""
        for flag in (self._run.cancelled, self._run.failed):
            if (reason := read_flag(flag)) is not None:
                return f"the run is marked as {flag.name}: {reason}"
        stored = self._read_stored()
        return None if pending_stages(self._run, stored.experiment, stored.seed) else "finished"

    def _leave(self, reason: str, *, own_standby: bool = False) -> None:
        """Records that there is nothing to do, so that standby jobs have nothing to do either."""
        self._attempt.event(Event.LEFT, reason=reason)
        log.info(f"nothing to do: {reason}")
        cancel_standby(self._run, self._job, own=own_standby)

    def _living_owner(self) -> str | None:
        """The token of the owner that is found, unless its end is known."""
        owner = read_owner(self._run.owner)
        if owner is None or owner.token == self._me.token or owner.job_id == self._job.job_id:
            return None
        if owner.job_id and self._is_gone(owner.job_id):
            return None
        return owner.token

    def _is_gone(self, job_id: str) -> bool | None:
        records: Sequence[JobRecord] = ()
        try:
            records = read_records(self._run.jobs)
        except InputError as error:
            log.info(str(error))
        return gone_jobs(predecessors(self._job, records))(job_id)

    def _mark_failed(self, reason: str) -> None:
        write_flag(self._run.failed, reason, self._me.token)
        self._attempt.event(Event.GAVE_UP, reason=reason)
        log.info(f"marked as failed: {reason}")
        cancel_standby(self._run, self._job)

    def mark_failed_if_hopeless(self) -> None:
        """Flags the run as failed if this attempt's exception was one too many."""
        with self._stop.deferred():
            try:
                try:
                    living = self._living_owner()
                except OwnedError:
                    # A record that cannot be understood must not keep jobs coming for ever.
                    living = None
                if reason := find_crash_loop(read_attempts(self._run), living):
                    self._mark_failed(reason)
            except EmtnasError as error:
                log.info(str(error))

    def record_signal(self, received: ReceivedSignal) -> None:
        """Records that a signal came, and how much of the time limit was left."""
        seconds_left = self._limit.seconds_left(received.at)
        self._attempt.event(Event.SIGNAL, signal=received.name, seconds_left=seconds_left)
        log.info(f"{received.name} came")

    def _read_spec(self) -> JobSpec:
        spec = read_job_spec(self._run.jobs)
        if spec is None:
            raise InputError(f"{self._run.jobs.spec} is missing: launch the run again")
        return spec

    def _read_stored(self) -> StoredExperiment:
        stored = read_stored(self._run)
        if stored is None:
            raise InputError(f"{self._run.experiment} is missing: launch the run again")
        return stored

    def _read_time_limit(self, lead_s: float) -> None:
        self._limit = time_limit(self._job, lead_s, self._end_in_queue)
        left = self._limit.seconds_left()
        self._attempt.describe({"lead_time_s": lead_s, "time_left_s": left})

    def _end_in_queue(self) -> float | None:
        try:
            queue = read_queue()
        except SchedulerError as error:
            log.info(f"the time limit is unknown: {error}")
            return None
        if queue.notice:
            log.info(queue.notice)
        return next((job.end_epoch for job in queue if job.job_id == self._job.job_id), None)

    def _report(self, message: str) -> None:
        self._attempt.event(Event.STANDBY, message=message)
        log.info(message)

    def _work(self, spec: JobSpec) -> Outcome:
        stored = self._read_stored()
        context = RunContext(
            stop=self._stop,
            callbacks=Callbacks(print_progress),
            me=self._me,
            attempt=self._attempt,
            job_is_gone=self._is_gone,
            grace_s=max(0.0, self._limit.lead_s - _EXIT_S),
            reason_to_stop=self._reason_to_stop,
        )
        run_spec = RunSpec(
            stored.experiment, stored.seed, self._run, spec.data_dir, device=spec.search_device
        )
        with opened_once(), prepare_hints(spec.prepare_command):
            return run_stages(run_spec, context)

    def _reason_to_stop(self, next_s: float) -> Reason | None:
        """Why this attempt ends before its next step, with work left; keeps the standby job."""
        if self._run.cancelled.exists():
            return Reason.CANCELLED
        # A stop between two steps loses nothing; SLURM's signal would come in the middle of one.
        if not self._limit.fits(next_s):
            return Reason.TIME_LIMIT
        if self._standby:
            self._standby.ensure()
        return None


_STDOUT = 1


def print_line(message: str) -> None:
    """Prints a line with its time; a signal handler may do so in the middle of another one."""
    line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(message.split())}\n"
    with suppress(OSError):
        os.write(_STDOUT, line.encode())


def print_progress(progress: Progress) -> None:
    """Prints a line a step."""
    what, news = _news(progress.readings)
    print_line(f"{what} {progress.step}/{progress.n_steps}, {progress.seconds:.1f} s: {news}")


def _news(summary: Mapping[str, Any]) -> tuple[str, str]:
    """What the steps are called, and what is new after one."""
    if "retraining" in summary:
        accuracy = _percent({"accuracy": summary["accuracy"], "test": summary["test_accuracy"]})
        news = "diverged" if summary.get("diverged") else accuracy
        return f"{summary['retraining']}: epoch {summary['epoch']}, step", news
    tasks: Mapping[str, Any] = summary["tasks"]
    each = (f"{name} {_fitness(task)}" for name, task in tasks.items())
    return "generation", "; ".join(each)


def _fitness(task: Mapping[str, Any]) -> str:
    if task["loss"] is None:
        return "diverged"
    return _percent({"fitness": task["fitness"], "true": task["true_fitness"]})


def _percent(values: Mapping[str, float | None]) -> str:
    """Nothing is said of what was not measured, or is no number."""
    known = (f"{name} {100 * value:.2f}" for name, value in values.items() if value is not None)
    return ", ".join(known)
