"""The daemons, each after those that it needs: how it starts, and when it is ready."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from local_slurm.configuration import database_password, user
from local_slurm.errors import LocalSlurmError
from local_slurm.folder import Folder
from local_slurm.interruption import held_back
from local_slurm.process import kill, session
from local_slurm.site import Site

_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Daemon:
    """A process that stays.

    Attributes:
        name: of its record and its log.
        command: that becomes it, without going to the background.
        prepare: what has to be done before it can start.
        ready: whether it serves.
        after: what has to be done once it does.
    """

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    prepare: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None


class Programs:
    """Runs programs that end by themselves, in this cluster's environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def run(self, *command: str, patience_s: float = _PATIENCE_S) -> str:
        """Returns what it printed; LocalSlurmError where it failed or did not end."""
        try:
            done = self._run(command, patience_s)
        except subprocess.TimeoutExpired:
            raise LocalSlurmError(f"{command[0]} did not end within {patience_s:.0f} s") from None
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["without a word"]
            # The first complaint says why; what comes after it is advice.
            reason = next((line for line in lines if "error" in line.lower()), lines[-1])
            raise LocalSlurmError(f"{command[0]} failed: {reason}")
        return done.stdout

    def succeeds(self, *command: str) -> bool:
        """Whether it ends well."""
        try:
            return self._run(command, _PATIENCE_S).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def _run(
        self, command: tuple[str, ...], patience_s: float
    ) -> "subprocess.CompletedProcess[str]":
        process = None
        try:
            # Popen waits until the program has begun: interrupted there, it would leave one
            # behind that nobody knows.
            with held_back():
                process = self._begin(command)
            out, err = process.communicate(timeout=patience_s)
        except BaseException:
            if process:
                _end_session(process)
            raise
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def _begin(self, command: tuple[str, ...]) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


def _end_session(process: "subprocess.Popen[str]") -> None:
    with held_back():
        # A script leaves what it has called behind, and calls more while it is being ended.
        while living := session(process.pid):
            kill(living)
        process.wait()


def daemons(folder: Folder, site: Site, programs: Programs) -> list[Daemon]:
    """All of a site's, first to start first."""
    accounting = [_mariadbd(folder, site, programs), _slurmdbd(programs)] if site.accounting else []
    nodes = [_slurmd(folder, node, programs) for node in site.node_names()]
    return [_munged(folder, programs), *accounting, _slurmctld(programs), *nodes]


def _munged(folder: Folder, programs: Programs) -> Daemon:
    options = {
        "key-file": folder.munge_key,
        "socket": folder.munge_socket,
        "pid-file": folder.root / "run/munged.pid",
        "seed-file": folder.root / "munge/seed",
        "log-file": folder.root / "log/munged.log",
        "num-threads": 2,
    }
    return Daemon(
        "munged",
        # Forced, because it mistrusts folders such as /tmp.
        ("munged", "--foreground", "--force", *_options(options)),
        ready=lambda: programs.succeeds("munge", "-S", str(folder.munge_socket), "-n"),
    )


def _mariadbd(folder: Folder, site: Site, programs: Programs) -> Daemon:
    socket = f"--socket={folder.database_socket}"
    # Its own folder for passing tables: at its start each removes those of all others.
    data = (
        *("--no-defaults", f"--user={user()}", f"--datadir={folder.database}"),
        f"--tmpdir={folder.root / 'run'}",
    )
    options = {
        "socket": folder.database_socket,
        "pid-file": folder.root / "run/mariadbd.pid",
        "bind-address": "127.0.0.1",
        "port": site.port + 2,
        # Small and quick; what a power cut would take nobody misses.
        "innodb-buffer-pool-size": "64M",
        "innodb-log-file-size": "16M",
        "innodb-flush-log-at-trx-commit": 0,
        "performance-schema": "OFF",
        # Asked for by slurmdbd.
        "innodb-lock-wait-timeout": 900,
    }

    def prepare() -> None:
        if not (folder.database / "mysql").exists():
            method = ("--skip-test-db", "--auth-root-authentication-method=socket")
            programs.run("mariadb-install-db", *data, *method, patience_s=120)

    def after() -> None:
        account = "'slurm'@'127.0.0.1'"
        programs.run(
            *("mariadb", "--no-defaults", socket, "-e"),
            "CREATE DATABASE IF NOT EXISTS slurm_acct_db;"
            f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{database_password(folder)}';"
            f"GRANT ALL ON slurm_acct_db.* TO {account};",
        )

    return Daemon(
        "mariadbd",
        ("mariadbd", *data, "--skip-log-bin", "--skip-name-resolve", *_options(options)),
        ready=lambda: programs.succeeds("mariadb-admin", "--no-defaults", socket, "ping"),
        prepare=prepare,
        after=after,
    )


def _slurmdbd(programs: Programs) -> Daemon:
    show = ("sacctmgr", "--noheader", "show", "cluster")

    def after() -> None:
        # Before the controller registers by itself, which takes long, and rows are missing.
        if "local" not in programs.run(*show):
            programs.run("sacctmgr", "--immediate", "add", "cluster", "local")

    return Daemon("slurmdbd", ("slurmdbd", "-D"), lambda: programs.succeeds(*show), after=after)


def _slurmctld(programs: Programs) -> Daemon:
    ready = lambda: programs.succeeds("scontrol", "ping")  # noqa: E731
    return Daemon("slurmctld", ("slurmctld", "-D"), ready)


def _slurmd(folder: Folder, node: str, programs: Programs) -> Daemon:
    def ready() -> bool:
        state = programs.run("sinfo", "--noheader", "--nodes", node, "--format=%T").split()
        return bool(state) and set(state) <= {"idle", "mixed", "allocated", "completing"}

    return Daemon(
        f"slurmd-{node}",
        ("slurmd", "-D", "-N", node),
        ready,
        prepare=lambda: folder.spool(node).mkdir(exist_ok=True),
    )


def _options(options: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]
