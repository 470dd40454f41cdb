"""What kind of site the cluster imitates; the switches of `up`, and their record in its folder."""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Site:
    """One field a switch of `up`."""

    port: int = 17000
    nodes: int = 2
    cpus: int = 8
    gpus: int = 2
    grace: int = 10
    kill_wait: int = 5
    job_age: int = 300
    node_timeout: int = 10
    requeue_delay: int = 5
    user_signal: bool = True
    accounting: bool = True
    requeue: bool = True

    def ports(self) -> dict[str, list[int]]:
        """The ports that each daemon listens on."""
        ports = {"slurmctld": [self.port]}
        if self.accounting:
            ports |= {"slurmdbd": [self.port + 1], "mariadbd": [self.port + 2]}
        return ports | {
            f"slurmd-{node}": [port]
            for node, port in zip(self.node_names(), self.node_ports(), strict=True)
        }

    def node_names(self) -> list[str]:
        """n1, n2, ..."""
        return [f"n{number}" for number in range(1, self.nodes + 1)]

    def node_ports(self) -> range:
        """The ports of the nodes, in their order."""
        return range(self.port + 3, self.port + 3 + self.nodes)

    def write(self, file: Path) -> None:
        """Records the switches, for `status` and for an `up` that finds the cluster up."""
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")


def read_site(file: Path) -> Site | None:
    """The recorded switches; None where there are none that can be understood."""
    try:
        return Site(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def add_switches(parser: argparse.ArgumentParser) -> None:
    """The switches of `up`."""
    for name, low, help_ in _NUMBERS:
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=_at_least(low),
            default=getattr(Site, name),
            metavar="N",
            help=f"{help_} (default %(default)s)",
        )
    for name, help_ in _ABSENCES:
        parser.add_argument(
            f"--no-{name.replace('_', '-')}", dest=name, action="store_false", help=help_
        )


def site_of(arguments: argparse.Namespace) -> Site:
    """The site that the switches describe."""
    return Site(**{field.name: getattr(arguments, field.name) for field in fields(Site)})


_NUMBERS = (
    ("port", 1024, "the first of the ports that it listens on: 3, and one a node"),
    ("nodes", 1, "nodes, n1 and so on"),
    ("cpus", 1, "CPUs that each node claims to have"),
    ("gpus", 1, "2080Ti GPUs that each node claims to have"),
    ("grace", 0, "GraceTime: seconds between the signal of a preemption and the kill"),
    ("kill_wait", 1, "KillWait: seconds between SIGTERM and SIGKILL"),
    ("job_age", 2, "MinJobAge: seconds that the controller remembers an ended job"),
    ("node_timeout", 5, "SlurmdTimeout: seconds until a silent node counts as down"),
    ("requeue_delay", 1, "cred_expire: seconds that a requeued job waits at least"),
)
_ABSENCES = (
    ("user_signal", "a site without preempt_send_user_signal: preemption sends SIGTERM only"),
    ("accounting", "a site without slurmdbd: sacct says nothing; needs no MariaDB"),
    ("requeue", "a site with JobRequeue=0: what does not ask for --requeue ends for good"),
)


def _at_least(low: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if int(text) < low:
            raise argparse.ArgumentTypeError(f"must be at least {low}, not {text}")
        return int(text)

    return number
