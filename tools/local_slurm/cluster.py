"""The whole cluster: brought up, brought down, looked at."""

import sys
import time
from subprocess import Popen

from local_slurm.configuration import user, write_configuration
from local_slurm.daemons import Daemon, Programs, daemons
from local_slurm.errors import LocalSlurmError, UsageError
from local_slurm.folder import Folder
from local_slurm.interruption import held_back
from local_slurm.leftovers import job_processes
from local_slurm.process import Process, end, kill, recorded, start
from local_slurm.requirements import PATH, check_packages, check_ports
from local_slurm.site import Site, read_site

_PATIENCE_S = 60.0


class Cluster:
    """One folder's daemons."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        # Nothing of the caller's: what a job sees comes with the job.
        self._environment = {
            "PATH": PATH,
            "LC_ALL": "C",
            "SLURM_CONF": str(folder.slurm_conf),
        }
        self._programs = Programs(self._environment)
        self._began = time.monotonic()

    def alive(self) -> dict[str, Process]:
        """The daemons that live, by name."""
        found = {name: recorded(self._folder.process(name)) for name in self._folder.processes()}
        return {name: process for name, process in found.items() if process}

    def up(self, site: Site) -> None:
        """Starts what does not live; one that was down comes up without jobs, or is down again.

        Raises:
            UsageError: nothing was tried: packages, ports, or other switches than it lives with.
            LocalSlurmError: a daemon would not start.
        """
        alive = set(self.alive())
        self._check(site, alive)
        write_configuration(self._folder, site)
        try:
            self._start(site, alive)
        except BaseException:
            if not alive:
                with held_back():
                    self.down()
            raise

    def down(self) -> None:
        """Ends everything, daemons and jobs, and waits until it is gone."""
        self._end("slurmctld")
        # A node's daemon waits for its jobs, and only it could have begun one in between.
        kill(job_processes(self._folder))
        # Without a controller, one that has ended a job would wait for longer than we do.
        self._end("slurmd-", patience_s=1.0)
        kill(job_processes(self._folder))
        for name in ("slurmdbd", "mariadbd", ""):
            self._end(name)

    def lines(self) -> list[str]:
        """What lives, a line each; first what is expected by the switches."""
        site = read_site(self._folder.site)
        expected = daemons(self._folder, site, self._programs) if site else []
        alive = self.alive()
        return [
            f"{daemon.name:<10} process {alive[daemon.name].pid}"
            if daemon.name in alive
            else f"{daemon.name:<10} does not live"
            for daemon in expected
        ]

    def _check(self, site: Site, alive: set[str]) -> None:
        check_packages(site.accounting)
        if alive and read_site(self._folder.site) != site:
            raise UsageError(
                f"the cluster in {self._folder.root} lives with other switches; "
                "`local-slurm down` first, or choose another --root and --port"
            )
        check_ports(site, alive)

    def _start(self, site: Site, alive: set[str]) -> None:
        waiting = []
        for daemon in daemons(self._folder, site, self._programs):
            if daemon.name in alive:
                continue
            daemon.prepare()
            waiting.append((daemon, self._start_one(daemon)))
            # The nodes come up side by side.
            if not daemon.name.startswith("slurmd-"):
                self._await(*waiting.pop())
            if daemon.name == "slurmctld" and not alive:
                # What `down` ended would begin again.
                self._programs.run("scancel", f"--user={user()}")
        for daemon, process in waiting:
            self._await(daemon, process)

    def _start_one(self, daemon: Daemon) -> "Popen[bytes]":
        folder = self._folder
        record, log = folder.process(daemon.name), folder.log(daemon.name)
        return start(daemon.command, record, log, self._environment)

    def _await(self, daemon: Daemon, process: "Popen[bytes]") -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not daemon.ready():
            if process.poll() is not None:
                raise LocalSlurmError(f"{daemon.name} ended at once: {self._last_words(daemon)}")
            if time.monotonic() > deadline:
                raise LocalSlurmError(
                    f"{daemon.name} is not ready after {_PATIENCE_S:.0f} s: "
                    f"{self._last_words(daemon)}"
                )
            time.sleep(0.05)
        daemon.after()
        seconds = time.monotonic() - self._began
        sys.stderr.write(f"{seconds:5.1f} s  {daemon.name} is ready\n")

    def _last_words(self, daemon: Daemon) -> str:
        log = self._folder.log(daemon.name)
        lines = log.read_text(errors="replace").strip().splitlines() or ["without a word"]
        return f"{lines[-1]} (see {log.parent})"

    def _end(self, beginning: str, patience_s: float = 10.0) -> None:
        processes = {n: p for n, p in self.alive().items() if n.startswith(beginning)}
        end(processes.values(), patience_s)
        for name in processes:
            self._folder.process(name).unlink(missing_ok=True)
