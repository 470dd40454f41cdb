"""How jobs ended, by one call of sacct; many a site keeps no accounts."""

import math
import re
import time
from collections.abc import Callable, Collection, Mapping

from emtnas_hpc.cluster.scheduler import call, clean, lines_of
from emtnas_hpc.errors import SchedulerError

#: An sacct that has failed is not asked again for so long.
RETRY_S = 300.0

#: A job with its state; other lines are a site's notices.
_ENDING = re.compile(r"\s*(\d[\d_+]*)\s*\|\s*([A-Za-z_]+)")


class Accounts:
    """The accounts for those who look again and again, with what they said before.

    Attributes:
        problem: why they do not answer, in a line; empty where they do.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.problem = ""
        self._clock = clock
        self._next_at = -math.inf
        self._told: dict[str, str] = {}

    def endings(self, job_ids: Collection[str]) -> Mapping[str, str]:
        """SLURM's word for how each of the jobs stands, as far as it is known."""
        if job_ids and self._clock() >= self._next_at:
            self._ask(job_ids)
        return {job_id: self._told[job_id] for job_id in job_ids if job_id in self._told}

    def _ask(self, job_ids: Collection[str]) -> None:
        try:
            self._told |= read_endings(job_ids)
            self.problem = ""
        except SchedulerError as error:
            self.problem = str(error)
            self._next_at = self._clock() + RETRY_S


def read_endings(job_ids: Collection[str]) -> dict[str, str]:
    """SLURM's word for how each of the jobs stands: FAILED, TIMEOUT, OUT_OF_MEMORY, ...

    Returns:
        By job id; jobs that the accounts do not know are left out.

    Raises:
        SchedulerError: there are no accounts, or they do not answer.
    """
    fields = "--format=JobID,State"
    # -D: all incarnations of a requeued job; -X: jobs, not their steps.
    return parse_endings(
        call("sacct", "-X", "-D", "-P", "-n", fields, "-j", ",".join(sorted(job_ids)))
    )


def parse_endings(text: str) -> dict[str, str]:
    """The newest incarnation of each job; of `CANCELLED by 1000` only the first word."""
    found = (_ENDING.match(line) for line in lines_of(text))
    return {match[1]: clean(match[2]) for match in found if match}
