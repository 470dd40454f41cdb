"""What may end a job, and what is said about it in the table."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from clusters import NO_REQUEUE, NO_USER_SIGNAL, PLAIN, Site
from deadlines import wait_for
from stories import Story

from local_slurm.folder import folder_at
from local_slurm.leftovers import job_processes


@dataclass(frozen=True)
class Incident:
    """One row.

    Attributes:
        name: for the command line.
        what: died.
        happens: next.
        of_slurm: SLURM's settings that it waits for, in brackets what its manual has as default.
        happen: makes it happen; returns the moment, in seconds since 1970.
        site: kind of site.
        partition: that the seed is launched into.
        options: of `launch`.
    """

    name: str
    what: str
    happens: str
    of_slurm: str
    happen: Callable[[Story], float]
    site: Site = PLAIN
    partition: str = "gpu"
    options: tuple[str, ...] = ()


def _usr2(story: Story) -> float:
    return _client(story, "scancel", "--signal=USR2")


def _requeue(story: Story) -> float:
    return _client(story, "scontrol", "requeue")


def _cancel(story: Story) -> float:
    return _client(story, "scancel")


def _client(story: Story, *command: str) -> float:
    job, at = story.job().job_id, time.time()
    story.cluster.run(*command, job)
    return at


def _refused(story: Story) -> float:
    story.cluster.run("scontrol", "update", f"JobId={story.job().job_id}", "Requeue=0")
    return _usr2(story)


def _preempt(story: Story) -> float:
    at = time.time()
    story.preempt()
    return at


def _hog(story: Story) -> float:
    """Needs all GPUs until the job is gone: else SLURM might find room elsewhere meanwhile."""
    job, at = story.job().job_id, time.time()
    urgent = story.hog()
    story.wait_for_job_to_leave(job)
    story.cluster.run("scancel", urgent)
    return at


def _limit(story: Story) -> float:
    """The moment at which the job was told to stop, or stopped by itself."""
    ends = ("stopped", "abandoned")
    wait_for(
        lambda: any(event["event"] in ends for event in story.starts()[0].events),
        "the limit",
        tell=story.tell,
    )
    return story.starts()[0].path.stat().st_mtime


def _kill(story: Story) -> float:
    at = time.time()
    story.kill()
    return at


def _lose_node(story: Story) -> float:
    """As a power cut: its daemon, and all that runs there."""
    node, at = story.job().nodes, time.time()
    story.cluster.kill(f"slurmd-{node}")
    for process in job_processes(folder_at(story.cluster.root)):
        process.send(signal.SIGKILL)
    return at


INCIDENTS = (
    Incident(
        "usr2", "told to make room (SIGUSR2)", "commits, and asks to be requeued",
        "`cred_expire` of AuthInfo (120 s)", _usr2,
    ),
    Incident(
        "requeue", "`scontrol requeue`", "is killed after `KillWait`",
        "`KillWait` (30 s), `cred_expire`", _requeue,
    ),
    Incident(
        "preempt", "preempted, SIGUSR2 first", "commits, and asks to be requeued",
        "`cred_expire`; the other job's time", _preempt,
    ),
    Incident(
        "preempt-cancel", "preempted where jobs are cancelled", "commits, and asks to be requeued",
        "`cred_expire`; the other job's time", _preempt, partition="scav",
    ),
    Incident(
        "preempt-term", "preempted, SIGTERM only", "goes on until it is killed",
        "`GraceTime`, `KillWait`, `cred_expire`", _hog, site=NO_USER_SIGNAL,
    ),
    Incident(
        "preempt-term-cancel", "the same where jobs are cancelled",
        "goes on until it is killed", "`GraceTime`, `KillWait`", _hog,
        site=NO_USER_SIGNAL, partition="scav",
    ),
    Incident(
        "limit", "time limit", "commits before it, and asks to be requeued", "`cred_expire`",
        _limit,
        options=("--time", "1"),
    ),
    Incident(
        "kill", "`kill -9` of the process", "what was not committed is repeated", "none", _kill,
    ),
    Incident(
        "node", "a node, with all that ran there", "the node counts as down",
        "`SlurmdTimeout` (300 s), `cred_expire`", _lose_node,
    ),
    Incident(
        "scancel", "`scancel ID`", "is killed after `KillWait`", "`KillWait`",
        _cancel,
    ),
    Incident(
        "no-requeue", "told to make room, requeue forbidden", "commits, asks, and is refused",
        "none", _refused, site=NO_REQUEUE,
    ),
)  # fmt: skip
