"""What the tests tell: a seed is launched, something happens to it, and it ends as it should."""

import os
import re
import signal
from dataclasses import dataclass, replace
from pathlib import Path

from clusters import Cluster, Job
from deadlines import wait_for
from tiny import Reference, Search, assert_equal_runs, emtnas

from emtnas_hpc.checkpoint.ownership import Owner, read_owner
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.runner.attempts import AttemptRecord, read_attempts

#: The second for a moment only, while SLURM sends it a signal; the third until its processes ended.
AT_WORK = ("RUNNING", "SIGNALING", "COMPLETING")
ALL_GPUS = ("--nodes=2", "--gpus-per-node=2")


@dataclass(frozen=True)
class Story:
    """A seed of a search on a cluster.

    Attributes:
        cluster: where its jobs run.
        search: the experiment.
        reference: what it must end in.
        seed: of the search.
    """

    cluster: Cluster
    search: Search
    reference: Reference
    seed: int = 0

    @property
    def run(self) -> RunPaths:
        return self.search.run(self.seed)

    def of(self, **changes: object) -> "Story":
        """The same with another search."""
        return replace(self, search=replace(self.search, **changes))  # type: ignore[arg-type]

    def launch(self, *options: str, partition: str = "gpu") -> None:
        """As a user does."""
        seeds = ("--seeds", f"{self.seed},")
        command = ("launch", *self.search.arguments(), *seeds, "--partition", partition, *options)
        done = emtnas(*command)
        assert done.returncode == 0, done.stderr

    def status(self) -> str:
        """What `status` prints."""
        done = emtnas("status", "--runs", self.search.runs)
        return done.stdout + done.stderr

    def wait_for_generation(self, generation: int) -> Owner:
        """Waits until it is committed; returns the process that owns the run."""
        what = f"generation {generation}"
        wait_for(lambda: self.search.generation(self.seed) >= generation, what, tell=self.tell)
        return self.owner()

    def owner(self) -> Owner:
        """Waits until a process owns the run."""
        return wait_for(lambda: read_owner(self.run.owner), "an owner", tell=self.tell)

    def job(self) -> Job:
        """The job of the owner."""
        job_id = self.owner().job_id
        assert job_id
        return self.cluster.job(job_id)

    def wait_for_start(self, number: int) -> AttemptRecord:
        """Waits until so many starts have been made; returns that one."""
        wait_for(lambda: len(self.starts()) >= number, f"start {number}", tell=self.tell)
        return self.starts()[number - 1]

    def starts(self) -> list[AttemptRecord]:
        """All of them, oldest first."""
        return read_attempts(self.run)

    def events(self, kind: str) -> list[dict[str, object]]:
        """Those of that kind, of all starts."""
        starts = self.starts()
        return [event for start in starts for event in start.events if event["event"] == kind]

    def send(self, name: str, job: str, *options: str) -> None:
        """Sends a signal through SLURM; returns once the process that owns the run has got it.

        Args:
            name: of the signal, as scancel takes it.
            job: of that process.
            options: of scancel.
        """
        owner, number = self.owner(), signal.Signals[f"SIG{name}"]

        def n_heard() -> int:
            return sum(event["signal"] == number.name for event in self.events("signal"))

        before = n_heard()
        self.cluster.run("scancel", *options, f"--signal={name}", job)
        # One that sleeps has not heard it yet, but will before all else when it wakes up.
        wait_for(lambda: _is_pending(owner.pid, number) or n_heard() > before, name, tell=self.tell)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Sends a signal to the process that owns the run, and to no other."""
        os.kill(self.owner().pid, number)

    def wait_for_job_to_leave(self, job_id: str) -> None:
        """Waits until a job that runs does not any more, and its processes have ended."""
        what = f"the end of {job_id}"
        wait_for(lambda: self.cluster.job(job_id).state not in AT_WORK, what, tell=self.tell)

    def preempt(self) -> None:
        """Takes all GPUs for a second."""
        self.occupy("sleep 1")

    def occupy(self, script: str = "sleep 1000") -> str:
        """Takes all GPUs; returns the id of the job that does, once it runs."""
        urgent = self.hog(script)
        wait_for(
            lambda: self.cluster.job(urgent).state != "PENDING", "the urgent job", tell=self.tell
        )
        return urgent

    def hog(self, script: str = "sleep 1000") -> str:
        """Submits a job that is more important than ours, and needs all GPUs."""
        return self.cluster.submit(
            script, "--partition=urgent", *ALL_GPUS, logs=self.search.runs.parent
        )

    def assert_ends_as_if_nothing_had_happened(self) -> None:
        """Equal to the foreground, bit for bit; nothing is left in the queue."""
        expected = self.reference.of(self.search, self.seed)
        wait_for(lambda: self.search.is_done(self.seed), "the end", 400.0, self.tell)
        assert_equal_runs(self.run, expected)
        wait_for(lambda: not self.cluster.queue(), "a queue without standby jobs", tell=self.tell)

    def tell(self) -> str:
        """What there is to know, for whoever reads of a failure."""
        return f"{self.cluster.tell()}\n{self.search.tell()}"


def _is_pending(pid: int, number: signal.Signals) -> bool:
    """Whether it waits until that process wakes up."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    sets = re.findall(r"^(?:Sig|Shd)Pnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return any(int(pending, 16) >> (number - 1) & 1 for pending in sets)
