"""On what terms a process carries a run on: its own in the foreground, those of a job elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from emtnas_hpc.runner.attempts import Attempt
from emtnas_hpc.store.owner import Owner, this_process
from emtnas_hpc.store.takeover import JobIsGone


class Reason(StrEnum):
    """Why a start stops that heard no signal. Attempts hold these words."""

    DEADLINE = "deadline"
    CANCELLED = "cancelled"


#: Told how many seconds the next step and its commit will take; says why to stop before it, if so.
ReasonToStop = Callable[[float], Reason | None]


def no_reason(_next_s: float) -> None:
    """There is time without end, and nobody calls the run off."""


@dataclass(frozen=True)
class Terms:
    """What whoever starts a run decides; the defaults are those of the foreground.

    Attributes:
        me: the record that this process leaves as the owner.
        attempt: already begun, and ended by whoever began it; None begins one with the ownership.
        job_is_gone: asks the queue about the job of the owner that is found.
        grace_s: seconds that a step may go on after a stop request; None takes them from the
            settings.
        reason_to_stop: asked between two steps.
    """

    me: Owner = field(default_factory=this_process)
    attempt: Attempt | None = None
    job_is_gone: JobIsGone | None = None
    grace_s: float | None = None
    reason_to_stop: ReasonToStop = no_reason
