"""The moments of a recovery, read from the run directory and from /proc."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from clusters import Cluster
from deadlines import wait_for
from stories import Story
from tiny import Reference, Search

from benchmarks.recovery_incidents import Incident
from emtnas_hpc.runner.attempts import AttemptRecord

_PATIENCE_S = 400.0


@dataclass(frozen=True)
class Recovery:
    """Seconds, one after the other.

    Attributes:
        slurm_s: from the incident to the beginning of our next process.
        ours_s: from there to the moment at which it computes.
        commit_s: from there to its first commit.
        in_the_same_job: whether SLURM requeued the job; else the standby job goes on.
    """

    slurm_s: float
    ours_s: float
    commit_s: float
    in_the_same_job: bool


def measure(incident: Incident, cluster: Cluster, search: Search) -> Recovery:
    """Launches a seed, lets the incident happen to it, and waits until it has committed again.

    Raises:
        AssertionError: something else happened than should.
    """
    story = Story(cluster, search, Reference(search.runs, search.data))
    story.launch(*incident.options, partition=incident.partition)
    story.wait_for_generation(2)
    n_starts, before = len(story.starts()), story.job().job_id
    at = incident.happen(story)
    start = story.wait_for_start(n_starts + 1)
    began = _process_began(int(start.provenance["pid"]))
    computes = _when(story, n_starts, lambda event: event["event"] == "resumed")
    committed = _when(story, n_starts, lambda event: event["event"] == "committed")
    same = start.provenance["job_id"] == before
    return Recovery(began - at, computes - began, committed - computes, same)


def _when(story: Story, index: int, wanted: Callable[[dict[str, Any]], bool]) -> float:
    """The moment of the first such event of that start, or of one after it."""

    def found() -> list[dict[str, Any]]:
        starts: list[AttemptRecord] = story.starts()[index:]
        return [event for start in starts for event in start.events if wanted(event)]

    [event, *_] = wait_for(found, "the next start", _PATIENCE_S, story.tell)
    return datetime.fromisoformat(event["time"]).timestamp()


def _process_began(pid: int) -> float:
    """When a process began, by the wall clock."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    up_s = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - up_s + ticks / os.sysconf("SC_CLK_TCK")
