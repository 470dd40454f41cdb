"""Whether SLURM would accept a job, and what its words of refusal mean."""

import os
import re
import tempfile
from collections.abc import Sequence

from emtnas_hpc.errors import InputError, SchedulerError
from emtnas_hpc.slurm.slurm import environment_options, run_command, sbatch_environment

#: What an error of sbatch begins with that is an answer of SLURM's.
REFUSED = "sbatch refused: "
_ASK_DOCTOR = (
    "`emtnas-hpc doctor` tries in which way SLURM takes a wish for memory, and says the line for a "
    "profile"
)
_NOT_NOW = "Requested node configuration is not available"
_MEMORY = re.compile(r"memory|--?mem\b|mem[-_ ]?per|MaxMem|DefMem", re.IGNORECASE)
_OTHER_REASON = re.compile(
    r"account|qos|partition|time limit|permi|denied|group|option|constraint|reservation",
    re.IGNORECASE,
)
#: SLURM's words where its controller may not have decided anything.
_SILENCES = (
    *("unable to contact", "timed out", "zero bytes", "connection refused", "connection reset"),
    *("not connected", "connection failure", "send failure", "receive failure", "broken pipe"),
    *("standby mode", "try again", "temporarily", "authentication"),
    *("unreachable", "no route to host", "can't find an address"),
)
#: Its words where the controller decided against a job.
_REFUSALS = (
    *("invalid", "limit", "denied", "permitted", "violates", "requested ", "required "),
    *("specification", "not specified", "no partition", "not available", "dependency"),
    *("can not be satisfied", "unrecognized option", "too long", "too large"),
)


def check_acceptance(script: str) -> tuple[bool, list[str]]:
    """Asks SLURM whether it would accept a job.

    Args:
        script: what sbatch is to be given.

    Returns:
        Whether no node can take such a job now, if ever, and what the user should know of a job
        that it accepts, in single lines.

    Raises:
        InputError: it would not.
        SchedulerError: SLURM does not answer.
    """
    found = []
    with tempfile.NamedTemporaryFile(prefix="emtnas-", suffix=".sh") as file:
        file.write(os.fsencode(script))
        file.flush()
        with sbatch_environment():
            try:
                run_command("sbatch", "--test-only", file.name)
            except SchedulerError as error:
                found.append(_unless_refused(error))
    waits = bool(found)
    if options := ", ".join(environment_options()):
        found.append(f"your environment gives the jobs more options: {options}")
    return waits, found


def memory_hint(error: Exception) -> str:
    """What to do where SLURM refused a job for its memory; empty where that is not the reason."""
    return f"; {_ASK_DOCTOR}" if _MEMORY.search(str(error)) else ""


def may_be_memory(error: Exception) -> bool:
    """Whether the words of a refusal leave open that it is for memory; those of a site may."""
    return bool(_MEMORY.search(str(error))) or not _OTHER_REASON.search(str(error))


def is_refusal(reason: str) -> bool:
    """Whether it is sure that SLURM decided against a job that sbatch gave it.

    Unknown words do not count: the job may have been accepted all the same.
    """
    return _is_answer(reason) and _has_any(_REFUSALS, reason)


def _is_answer(reason: str) -> bool:
    return reason.startswith(REFUSED) and not _has_any(_SILENCES, reason)


def _has_any(words: Sequence[str], reason: str) -> bool:
    said = reason.removeprefix(REFUSED).lower()
    return any(word in said for word in words)


def _unless_refused(error: SchedulerError) -> str:
    text = str(error)
    # Nothing was submitted: words of a site's own may be taken for a decision.
    if not _is_answer(text):
        raise error
    said = text.removeprefix(REFUSED)
    if _NOT_NOW in said:
        # It says so of nodes that are down or drained too; a job would be accepted, and wait.
        return f"no node can take such a job now, it would wait; SLURM says: {said}"
    raise InputError(f"SLURM would not accept such a job: {said}")
