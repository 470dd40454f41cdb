"""What the machine has to have: packages, and ports that nobody else uses."""

import os
import shutil
import socket
from pathlib import Path

from local_slurm.errors import UsageError
from local_slurm.site import Site

#: Debian keeps the daemons where a plain user's PATH does not lead.
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"

_PACKAGES = {
    "slurmctld": ("slurmctld",),
    "slurmd": ("slurmd",),
    "slurm-client": ("sbatch", "squeue", "scontrol", "sacctmgr"),
    "slurmdbd": ("slurmdbd",),
    "munge": ("munged", "munge"),
    "mariadb-server": ("mariadbd", "mariadb", "mariadb-admin", "mariadb-install-db"),
}
_FOR_ACCOUNTING = ("slurmdbd", "mariadb-server", "slurm-wlm-mysql-plugin")
_PLUGIN = "accounting_storage_mysql.so"
_PLUGIN_FOLDERS = ("lib/*/slurm*", "lib/slurm*", "lib64/slurm*", "local/lib/slurm*")


def missing_packages(accounting: bool) -> list[str]:
    """Debian's names of the packages that are not there."""
    missing = [
        package
        for package, programs in _PACKAGES.items()
        if not all(shutil.which(program, path=PATH) for program in programs)
    ]
    if not any(list(Path("/usr").glob(f"{folder}/{_PLUGIN}")) for folder in _PLUGIN_FOLDERS):
        missing.append("slurm-wlm-mysql-plugin")
    return [package for package in missing if accounting or package not in _FOR_ACCOUNTING]


def check_packages(accounting: bool) -> None:
    """Raises UsageError where one is missing."""
    if missing := missing_packages(accounting):
        raise UsageError(
            f"not installed here: {', '.join(missing)}; on Debian, root gets them by: "
            f"apt-get install --no-install-recommends {' '.join(missing)}"
        )


def check_ports(site: Site, alive: set[str]) -> None:
    """Raises UsageError where a daemon that does not live yet will not get its port."""
    for name, ports in site.ports().items():
        for port in ports if name not in alive else ():
            if _taken(port):
                raise UsageError(f"port {port} of {name} is taken; choose others with --port")


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        # As the daemons do: connections of the one before us are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return True
    return False
