"""Whether a starting process may take a run from the one that owns it: a pure judgement."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from emtnas_hpc.store.owner import UNKNOWN_START, Owner, process_start

#: Answers for a job id: True = the queue knows it no longer, False = it does, None = cannot say.
JobIsGone = Callable[[str], bool | None]


class Verdict(Enum):
    """What a starting process is to do about the owner that it finds."""

    TAKE = "take the run over"
    WATCH = "watch whether the owner shows a sign of life"
    REFUSE = "leave the run to its owner"


@dataclass(frozen=True)
class Facts:
    """What can be observed about an owner at one moment.

    Attributes:
        process_start: of the process that has the owner's pid on THIS machine, None if none has.
        job_is_gone: what the queue says of the owner's job, None where it cannot be asked.
    """

    process_start: int | None = None
    job_is_gone: bool | None = None


def observe(owner: Owner, job_is_gone: JobIsGone | None = None) -> Facts:
    """Looks at the owner's process and job."""
    gone = job_is_gone(owner.job_id) if job_is_gone and owner.job_id else None
    return Facts(process_start(owner.pid), gone)


def judge(owner: Owner, me: Owner, facts: Facts) -> Verdict:
    """Decides from the two records and the facts, by the first rule that applies.

    1. The same job, requeued: the later incarnation has it.
    2. The queue knows the old job no longer: dead.
    3. The same machine, rebooted since: dead. Names are not enough: many a machine is `localhost`.
    4. The same machine and boot, pids comparable: alive if a process has that pid and start time.
    5. The queue still knows the old job, be it suspended: alive.
    6. Otherwise only its heartbeat can tell.
    """
    if owner.job_id and owner.job_id == me.job_id and owner.restart_count != me.restart_count:
        return Verdict.TAKE if me.restart_count > owner.restart_count else Verdict.REFUSE
    if facts.job_is_gone:
        return Verdict.TAKE
    if owner.host == me.host:
        if owner.boot_id != me.boot_id:
            if owner.machine_id and owner.machine_id == me.machine_id:
                return Verdict.TAKE
        elif owner.pid_namespace == me.pid_namespace:
            alive = facts.process_start in (owner.started, UNKNOWN_START)
            return Verdict.REFUSE if alive else Verdict.TAKE
    return Verdict.WATCH if facts.job_is_gone is None else Verdict.REFUSE
