"""tools/local-slurm leaves nothing behind, whatever happens to it or to its cluster."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
from clusters import KEEPER, Cluster, processes
from deadlines import wait_for
from keeper import TOOL, local_slurm

pytestmark = pytest.mark.slurm

PORTS = ("--port", str(30000 + os.getpid() * 10 % 2000))


@pytest.fixture
def root() -> Iterator[Path]:
    """A short path, as sockets need it; what runs there is ended."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        yield Path(folder)
        local_slurm("down", "--root", folder)


def up(root: Path, *switches: str) -> Cluster:
    done = local_slurm("up", "--root", str(root), *PORTS, *switches)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"export SLURM_CONF={root}/etc/slurm.conf\n"
    return Cluster(root, (*PORTS, *switches))


def test_a_second_up_changes_nothing(root: Path) -> None:
    up(root, "--no-accounting")
    first = local_slurm("status", "--root", str(root))
    up(root, "--no-accounting")
    second = local_slurm("status", "--root", str(root))
    assert first.returncode == second.returncode == 0
    assert first.stdout == second.stdout
    assert "does not live" not in first.stdout


def test_an_up_with_other_switches_is_refused_while_it_lives(root: Path) -> None:
    up(root, "--no-accounting")
    done = local_slurm("up", "--root", str(root), *PORTS, "--no-accounting", "--no-requeue")
    assert done.returncode == 2
    assert "lives with other switches" in done.stderr
    local_slurm("down", "--root", str(root))
    up(root, "--no-accounting", "--no-requeue")


def test_a_port_that_is_taken_is_named(root: Path) -> None:
    with socket.create_server(("127.0.0.1", int(PORTS[1]))):
        done = local_slurm("up", "--root", str(root), *PORTS)
    assert done.returncode == 2
    assert f"port {PORTS[1]} of slurmctld is taken" in done.stderr
    assert processes(root) == []


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """What a test starts does so, also where a shell began the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize("daemon", ["munged", "mariadbd", "slurmctld"])
def test_an_interrupted_up_ends_what_it_has_started(root: Path, daemon: str) -> None:
    command = [sys.executable, str(TOOL), "up", "--root", str(root), *PORTS]
    with subprocess.Popen(command, stderr=PIPE, text=True) as starting:
        assert starting.stderr
        next(line for line in starting.stderr if f"{daemon} is ready" in line)
        starting.send_signal(signal.SIGINT)
    assert starting.returncode == 130
    assert processes(root) == []


def test_down_ends_an_up_that_was_killed(root: Path) -> None:
    command = [sys.executable, str(TOOL), "up", "--root", str(root), *PORTS]
    with subprocess.Popen(command, stderr=PIPE, text=True) as starting:
        assert starting.stderr
        next(line for line in starting.stderr if "slurmdbd is ready" in line)
        starting.kill()
    assert "slurmdbd" in processes(root)
    assert local_slurm("down", "--root", str(root)).returncode == 0
    assert processes(root) == []


def test_down_ends_jobs_that_ignore_signals_on_dead_nodes_under_a_hanging_controller(
    root: Path,
) -> None:
    cluster = up(root, "--no-accounting")
    script = "trap '' TERM; echo up; srun --overlap sleep 1000; sleep 1000"
    job = cluster.submit(script, logs=root)
    wait_for(lambda: "sleep" in processes(root), "the job's step", tell=cluster.tell)
    cluster.kill(f"slurmd-{cluster.job(job).nodes}")
    cluster.stop("slurmctld")
    assert local_slurm("down", "--root", str(root)).returncode == 0
    assert processes(root) == []
    # Nor does it begin again.
    assert up(root, "--no-accounting").job(job).state != "RUNNING"


def test_a_cluster_ends_with_its_session_however_that_ends() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from clusters import NO_ACCOUNTING, Clusters\n"
        "print(Clusters().of(NO_ACCOUNTING).root, flush=True)\n"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, text=True, stdin=PIPE, stdout=PIPE) as session:
        assert session.stdout
        root = Path(session.stdout.readline().strip())
        assert "slurmctld" in processes(root)
        session.kill()
    wait_for(lambda: not processes(root) and not root.exists(), f"the end of {root}")


def test_a_node_that_was_killed_is_brought_back_with_its_jobs(
    cluster: Cluster, tmp_path: Path
) -> None:
    job = cluster.submit("sleep 1000", logs=tmp_path)
    wait_for(lambda: cluster.job(job).state == "RUNNING", "the job", tell=cluster.tell)
    cluster.kill(f"slurmd-{cluster.job(job).nodes}")
    cluster.mend()
    assert cluster.job(job).state == "RUNNING"
    assert cluster.job(job).restarts == 0


def test_two_clusters_live_side_by_side(cluster: Cluster, root: Path, tmp_path: Path) -> None:
    other = up(root, "--no-accounting")
    job = cluster.submit("true", logs=tmp_path)
    assert other.queue() == []
    wait_for(lambda: cluster.job(job).state == "COMPLETED", "the job", tell=cluster.tell)


def test_a_cluster_ends_too_with_a_session_that_ended_while_it_came_up() -> None:
    root = Path(tempfile.mkdtemp(prefix="slurm-"))
    command = [sys.executable, str(KEEPER), str(root), *PORTS, "--no-accounting"]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=subprocess.DEVNULL) as keeper:
        # As the kernel does to both when a session is killed.
        assert keeper.stdin
        assert keeper.stdout
        keeper.stdin.close()
        keeper.stdout.close()
    assert processes(root) == []
    assert not root.exists()
