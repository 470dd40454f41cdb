"""What a job does from its start to its end: the only place where that order is decided."""

from collections.abc import Sequence

from emtnas_hpc.checkpoint.ownership import Owner, read_owner, this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import EmtnasError, InputError, OwnedError, SchedulerError, SupersededError
from emtnas_hpc.pipeline import pending_stages
from emtnas_hpc.pipeline import run_stages as carry_on_run
from emtnas_hpc.runner.attempts import Attempt, Event, read_attempts
from emtnas_hpc.runner.context import Reason, RunContext, end_recorded, log_to
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.runner.signals import ReceivedSignal, StopRequest
from emtnas_hpc.search.run_dir import read_stored
from emtnas_hpc.search.session import RunSpec
from emtnas_hpc.settings.names import StoredExperiment
from emtnas_hpc.slurm.crash_loop import reason_to_give_up
from emtnas_hpc.slurm.job import JobSignalPolicy
from emtnas_hpc.slurm.jobs import (
    JobEnvironment,
    JobRecord,
    JobSpec,
    TimeLimit,
    gone_jobs,
    job_environment,
    predecessors,
    read_flag,
    read_job_spec,
    read_records,
    time_limit,
    write_flag,
)
from emtnas_hpc.slurm.logs import log_callbacks, say
from emtnas_hpc.slurm.queue import QueuedJob, read_queue
from emtnas_hpc.slurm.standby import StandbyKeeper, cancel_standby

#: Leaving in good order takes so long once the step under way has ended: a commit and a requeue.
_EXIT_S = 30.0


def run_worker(run: RunPaths, stop: StopRequest, rule: JobSignalPolicy) -> bool:
    """Carries a seed on until it is done, called off, given up, or has to make room.

    Args:
        run: the seed's directory.
        stop: entered already.
        rule: of `stop`.

    Returns:
        Whether there is work left for another start.

    Raises:
        StoppedError: a signal came before the search went on.
        EmtnasError: the run was given up, or its search failed.
    """
    job = job_environment()
    me = this_process(job_id=job.job_id, restart_count=job.restart_count)
    here = {"owned": False, "job_id": job.job_id, "restart_count": job.restart_count}
    with log_to(say), Attempt(run, me.token, here) as attempt:
        course = Worker(run, job, me, attempt, stop)
        rule.witness = course.record_signal
        try:
            with end_recorded(attempt):
                return course.follow()
        except SupersededError:
            raise  # what is to be done is the new owner's business
        except Exception:
            course.give_up_if_hopeless()
            raise


class Worker:
    """One job on its way; signals wait except where a search may be left at once."""

    def __init__(
        self, run: RunPaths, job: JobEnvironment, me: Owner, attempt: Attempt, stop: StopRequest
    ) -> None:
        self._run = run
        self._job = job
        self._me = me
        self._attempt = attempt
        self._stop = stop
        self._limit = TimeLimit()
        self._spare: StandbyKeeper | None = None

    def follow(self) -> bool:
        """All of it; returns whether there is work left."""
        with self._stop.deferred():
            if reason := self._reason_to_leave():
                self._leave(reason)
                return False
            living = self._living_owner()
            if reason := reason_to_give_up(read_attempts(self._run), living):
                self._give_up(reason)
                raise EmtnasError(f"the run is given up: {reason}")
            request = self._request()
            self._limit = self._time_limit(request.profile.lead_time_s)
            self._spare = StandbyKeeper(self._run, request, self._job, self._say_and_record)
            if living is None:
                # A crash may come before the first step; but beside an owner who lives nobody
                # needs a spare until it is known that he does not.
                self._spare.look_after()
        self._stop.leave_if_requested()
        try:
            outcome = self._work(request)
        except OwnedError as error:
            with self._stop.deferred():
                self._leave(str(error), own_spares=True)
                return False
        with self._stop.deferred():
            if outcome is Outcome.MORE and not self._run.cancelled.exists():
                return True
            cancel_standby(self._run, self._job, say)
            return False

    def record_signal(self, heard: ReceivedSignal) -> None:
        """Writes down that a signal came, and how much of the time limit was left."""
        seconds_left = self._limit.seconds_left(heard.at)
        self._attempt.event(Event.SIGNAL, signal=heard.name, seconds_left=seconds_left)
        say(f"{heard.name} came")

    def give_up_if_hopeless(self) -> None:
        """Marks the run as failed if this start's exception was one too many."""
        with self._stop.deferred():
            try:
                if reason := reason_to_give_up(read_attempts(self._run), self._known_owner()):
                    self._give_up(reason)
            except EmtnasError as error:
                say(str(error))

    def _reason_to_leave(self) -> str | None:
        for mark in (self._run.cancelled, self._run.failed):
            if (reason := read_flag(mark)) is not None:
                return f"the run is marked as {mark.name}: {reason}"
        stored = self._stored()
        return None if pending_stages(self._run, stored.experiment, stored.seed) else "finished"

    def _leave(self, reason: str, *, own_spares: bool = False) -> None:
        self._attempt.event(Event.LEFT, reason=reason)
        say(f"nothing to do: {reason}")
        cancel_standby(self._run, self._job, say, own=own_spares)

    def _give_up(self, reason: str) -> None:
        write_flag(self._run.failed, reason, self._me.token)
        self._attempt.event(Event.GAVE_UP, reason=reason)
        say(f"giving up: {reason}")
        cancel_standby(self._run, self._job, say)

    def _living_owner(self) -> str | None:
        """The token of the owner that is found, unless its end is known."""
        owner = read_owner(self._run.owner)
        if owner is None or owner.token == self._me.token or owner.job_id == self._job.job_id:
            return None
        if owner.job_id and self._is_gone(owner.job_id):
            return None
        return owner.token

    def _known_owner(self) -> str | None:
        # A record that cannot be understood must not keep jobs coming for ever: each fails at it.
        try:
            return self._living_owner()
        except OwnedError:
            return None

    def _is_gone(self, job_id: str) -> bool | None:
        return gone_jobs(predecessors(self._job, self._records()))(job_id)

    def _records(self) -> Sequence[JobRecord]:
        try:
            return read_records(self._run.jobs)
        except InputError as error:
            say(str(error))
            return ()

    def _request(self) -> JobSpec:
        request = read_job_spec(self._run.jobs)
        if request is None:
            raise InputError(f"{self._run.jobs.request} is missing: launch the run again")
        return request

    def _stored(self) -> StoredExperiment:
        stored = read_stored(self._run)
        if stored is None:
            raise InputError(f"{self._run.experiment} is missing: launch the run again")
        return stored

    def _time_limit(self, lead_s: float) -> TimeLimit:
        limit = time_limit(self._job, self._queue(), lead_s)
        self._attempt.describe({"lead_time_s": lead_s, "time_left_s": limit.seconds_left()})
        return limit

    def _queue(self) -> Sequence[QueuedJob]:
        try:
            return read_queue(say)
        except SchedulerError as error:
            say(f"the time limit may be unknown: {error}")
            return ()

    def _say_and_record(self, message: str) -> None:
        self._attempt.event(Event.SPARE, message=message)
        say(message)

    def _work(self, request: JobSpec) -> Outcome:
        stored = self._stored()
        order = RunSpec(
            stored.experiment,
            stored.seed,
            self._run,
            request.data_dir,
            request.search_device,
            request.mend,
        )
        return carry_on_run(order, log_callbacks(), self._stop, self._terms())

    def _terms(self) -> RunContext:
        return RunContext(
            self._me,
            self._attempt,
            self._is_gone,
            max(0.0, self._limit.lead_s - _EXIT_S),
            self._reason_to_stop,
        )

    def _reason_to_stop(self, next_s: float) -> Reason | None:
        if self._run.cancelled.exists():
            return Reason.CANCELLED
        if self._limit.fits(next_s) and self._spare:
            self._spare.look_after()
        return None if self._limit.fits(next_s) else Reason.DEADLINE
