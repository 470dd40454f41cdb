"""A cluster as the tests use it: SLURM's own commands, and its daemons' processes."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deadlines import wait_for
from keeper import TOOL, local_slurm

KEEPER = Path(__file__).with_name("keeper.py")
#: What the shell of whoever runs the tests may have set for SLURM or for us is not meant for them.
_FOREIGN = re.compile(r"SLURM_|SBATCH_|SQUEUE_|SACCT_|SUBMITIT_|EMTNAS_")
_PATIENCE_S = 30.0


@dataclass(frozen=True)
class Site:
    """A kind of site: the switches of `tools/local-slurm up` that make it."""

    switches: tuple[str, ...] = ()


PLAIN = Site()
NO_USER_SIGNAL = Site(("--no-user-signal",))
NO_REQUEUE = Site(("--no-requeue",))
NO_ACCOUNTING = Site(("--no-accounting",))


@dataclass(frozen=True)
class Job:
    """A job as the controller tells of it; an ended one for MinJobAge seconds longer."""

    job_id: str
    fields: Mapping[str, str] = field(repr=False)

    @property
    def state(self) -> str:
        return self.fields["JobState"]

    @property
    def restarts(self) -> int:
        return int(self.fields["Restarts"])

    @property
    def nodes(self) -> str:
        return self.fields["NodeList"]


class Cluster:
    """A cluster that is up.

    Args:
        root: its folder.
        switches: that it was started with.
    """

    def __init__(self, root: Path, switches: tuple[str, ...]) -> None:
        self.root = root
        self._switches = switches
        own = {name: text for name, text in os.environ.items() if not _FOREIGN.match(name)}
        self.environment = {**own, "SLURM_CONF": str(root / "etc/slurm.conf")}

    def run(self, *command: object) -> str:
        """What one of SLURM's commands prints; fails the test if it does."""
        done = self.attempt(*command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}\n{self.tell()}"
        return done.stdout

    def attempt(self, *command: object) -> "subprocess.CompletedProcess[str]":
        """Runs a command here, whatever comes of it."""
        return subprocess.run(
            [str(word) for word in command],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )

    def submit(self, script: str, *options: str, logs: Path) -> str:
        """Submits a shell script; returns the id of the job."""
        where = ("--chdir", logs, "--output", logs / "%j.out")
        return self.run("sbatch", "--parsable", *where, *options, "--wrap", script).strip()

    def queue(self) -> list[str]:
        """The jobs that have not ended for good, a line each."""
        return self.run("squeue", "--noheader", "--format=%i %j %P %T %r %N").splitlines()

    def job(self, job_id: str) -> Job:
        """What the controller knows of a job."""
        text = self.run("scontrol", "--oneliner", "show", "job", job_id)
        return Job(job_id, dict(re.findall(r"(?<!\S)([A-Za-z]+)=(\S*)", text)))

    def clear(self) -> None:
        """Ends all jobs, and brings back the daemons that a test has ended or stopped."""
        self.mend()
        # First those that wait: they would begin when the others end.
        self.run("scancel", "--me", "--state=PENDING")
        self.run("scancel", "--me")
        wait_for(self._is_empty, "an empty queue", tell=self.tell)
        # A controller that was started anew takes no order about a node it has not heard of yet.
        wait_for(self._is_idle, "idle nodes", tell=self.tell)

    def _is_idle(self) -> bool:
        states = self.attempt("sinfo", "--noheader", "--Node", "--format=%T").stdout.split()
        return set(states) == {"idle"}

    def _is_empty(self) -> bool:
        # A requeued one waits again, and one that ignores SIGTERM takes its time.
        for command in (("scancel", "--me"), ("scancel", "--me", "--full", "--signal=KILL")):
            self.attempt(*command)
        return not self.queue()

    def wait_for_task(self, job_id: str) -> int:
        """Waits until a job's first step has begun; returns the process id of its program."""
        conf = f"SLURM_CONF={self.environment['SLURM_CONF']}"
        signs = (conf, f"SLURM_JOB_ID={job_id}", "SLURM_STEP_ID=0")
        return wait_for(lambda: _with_environment(*signs), "a step", tell=self.tell)[0][0]

    def daemon(self, name: str) -> int:
        """The process id of a daemon: slurmctld, slurmdbd, slurmd-n1, ..."""
        return int((self.root / "pid" / name).read_text().split()[0])

    def kill(self, name: str) -> None:
        """Ends a daemon at once; `mend` brings it back."""
        os.kill(self.daemon(name), signal.SIGKILL)

    def end(self, name: str) -> None:
        """Ends a daemon as an administrator does: it saves what it knows."""
        pid = self.daemon(name)
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not _is_alive(pid), f"the end of {name}", tell=self.tell)

    def stop(self, name: str) -> None:
        """Lets a daemon hang; `mend` wakes it."""
        os.kill(self.daemon(name), signal.SIGSTOP)

    def mend(self) -> None:
        """Wakes and starts whatever does not serve."""
        for record in (self.root / "pid").iterdir():
            if _is_alive(pid := self.daemon(record.name)):
                os.kill(pid, signal.SIGCONT)
        done = local_slurm("up", "--root", str(self.root), *self._switches)
        assert done.returncode == 0, done.stderr
        # Refused where there is nothing to mend.
        self.attempt("scontrol", "update", "NodeName=ALL", "State=RESUME")

    def tell(self) -> str:
        """The queue and the ends of the logs, for whoever reads of a failure."""
        queue = self.attempt("squeue", "--all")
        logs = sorted((self.root / "log").glob("*.log"))
        return "\n".join([queue.stdout or queue.stderr, *(tail(log) for log in logs)])


def tail(file: Path, n_lines: int = 15) -> str:
    """The end of a text file under its name."""
    lines = file.read_text(errors="replace").splitlines()[-n_lines:]
    return "\n  ".join([f"{file}:", *lines])


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def processes(root: Path) -> list[str]:
    """The programs of this cluster that run, daemons and jobs."""
    return [program for _, program in _with_environment(f"SLURM_CONF={root}/etc/slurm.conf")]


def _with_environment(*entries: str) -> list[tuple[int, str]]:
    """The number and the program of every process that was started with all of them."""
    signs = {entry.encode() for entry in entries}
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            if signs <= set(environment):
                found.append((int(process.name), (process / "comm").read_text().strip()))
        except OSError:
            continue
    return found


class Clusters:
    """At most one cluster at a time, brought up when a test needs it."""

    def __init__(self) -> None:
        self._site: Site | None = None
        self._cluster: Cluster | None = None
        self._keeper: subprocess.Popen[str] | None = None
        # Several sessions on one machine, and several workers of one.
        self._port = 20000 + os.getpid() * 20 % 10000

    def of(self, site: Site) -> Cluster:
        """The cluster of that site; another site's is taken down."""
        if self._cluster is None or site != self._site:
            self.down()
            self._cluster, self._site = self._up(site), site
        return self._cluster

    def down(self) -> None:
        """Takes down what is up, and sees to it that nothing is left."""
        if self._keeper:
            self._keeper.communicate()
        if self._cluster and (left := processes(self._cluster.root)):
            raise RuntimeError(f"left behind by {self._cluster.root}: {left}")
        self._cluster = self._keeper = None

    def _up(self, site: Site) -> Cluster:
        while True:
            root = Path(tempfile.mkdtemp(prefix="slurm-"))
            switches = (*site.switches, "--port", str(self._port))
            self._keeper = _start_keeper(root, switches)
            assert self._keeper.stdout
            answer = self._keeper.stdout.readline().strip()
            if answer == "up":
                return Cluster(root, switches)
            self.down()
            if "is taken" not in answer:
                raise RuntimeError(answer)
            self._port += 20


def _start_keeper(root: Path, switches: tuple[str, ...]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(KEEPER), str(root), *switches],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def missing_packages() -> str:
    """Debian's names of what is not installed here."""
    done = subprocess.run([sys.executable, TOOL, "packages"], capture_output=True, text=True)
    return done.stdout.strip()
