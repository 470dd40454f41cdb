"""From the templates in slurm/local to the files that SLURM reads."""

import getpass
import hashlib
import os
import secrets
import socket
from pathlib import Path
from string import Template

from local_slurm.folder import Folder
from local_slurm.site import Site

TEMPLATES = Path(__file__).parents[2] / "slurm/local"


def write_configuration(folder: Folder, site: Site) -> None:
    """Fills in the templates; makes the secret and the devices that they speak of."""
    folder.make()
    _write_key(folder)
    _link_devices(folder, site)
    words = _words(folder, site)
    for template in TEMPLATES.glob("*.conf"):
        file = folder.slurm_conf.with_name(template.name)
        file.touch(mode=0o600)
        file.write_text(Template(template.read_text()).substitute(words))
    site.write(folder.site)


def database_password(folder: Folder) -> str:
    """Between slurmdbd and MariaDB; the same at every start, and another in every folder."""
    return hashlib.sha256(b"database" + folder.munge_key.read_bytes()).hexdigest()[:32]


def user() -> str:
    """Under whose name everything runs."""
    return getpass.getuser()


def _words(folder: Folder, site: Site) -> dict[str, object]:
    ports = site.node_ports()
    return {
        "root": folder.root,
        # The controller accepts no other name for the machine that it is started on.
        "host": socket.gethostname().split(".")[0],
        "user": user(),
        "password": database_password(folder),
        "nodes": site.nodes,
        "node_ports": f"{ports[0]}-{ports[-1]}" if site.nodes > 1 else ports[0],
        "controller_port": site.port,
        "database_daemon_port": site.port + 1,
        "database_port": site.port + 2,
        "cpus": site.cpus,
        "gpus": site.gpus,
        "last_gpu": site.gpus - 1,
        "grace": site.grace,
        "kill_wait": site.kill_wait,
        "job_age": site.job_age,
        "node_timeout": site.node_timeout,
        "requeue_delay": site.requeue_delay,
        "requeue": int(site.requeue),
        "accounting": "slurmdbd" if site.accounting else "none",
        "with_accounting": "" if site.accounting else "#",
        # The second is something harmless, because the list must not be empty.
        "controller_parameters": (
            "preempt_send_user_signal" if site.user_signal else "idle_on_node_suspend"
        ),
    }


def _write_key(folder: Folder) -> None:
    if not folder.munge_key.exists():
        folder.munge_key.touch(mode=0o600)
        folder.munge_key.write_bytes(secrets.token_bytes(1024))


def _link_devices(folder: Folder, site: Site) -> None:
    for number in range(site.gpus):
        device = folder.root / f"dev/gpu{number}"
        if not os.path.lexists(device):
            device.symlink_to("/dev/null")
