"""A search in a batch script of one line, without any of our commands for SLURM."""

import os
import shlex
import signal
import sys
from pathlib import Path

import pytest
from clusters import Cluster
from deadlines import wait_for
from tiny import Reference, Search, assert_equal_runs

pytestmark = pytest.mark.slurm


def submit(cluster: Cluster, search: Search, logs: Path) -> str:
    command = (sys.executable, "-m", "emtnas_hpc", "run", *search.arguments())
    return cluster.submit(f"srun {shlex.join(command)}", "--gpus=1", logs=logs)


def test_a_requeued_search_ends_as_if_nothing_had_happened(
    cluster: Cluster, search: Search, reference: Reference, tmp_path: Path
) -> None:
    job = submit(cluster, search, tmp_path)
    wait_for(lambda: search.generation(0) >= 2, "generation 2", tell=search.tell)
    cluster.run("scontrol", "requeue", job)
    wait_for(lambda: cluster.job(job).restarts, "a requeue", tell=cluster.tell)
    wait_for(lambda: search.is_done(0), "the end", tell=search.tell)
    assert_equal_runs(search.run(0), reference.of(search, 0))


def test_a_killed_search_is_ended_by_the_next_job(
    cluster: Cluster, search: Search, reference: Reference, tmp_path: Path
) -> None:
    job = submit(cluster, search, tmp_path)
    wait_for(lambda: search.generation(0) >= 2, "generation 2", tell=search.tell)
    os.kill(search.pid(0), signal.SIGKILL)
    wait_for(lambda: cluster.job(job).state == "FAILED", "its end", tell=cluster.tell)
    submit(cluster, search, tmp_path)
    wait_for(lambda: search.is_done(0), "the end", tell=search.tell)
    assert_equal_runs(search.run(0), reference.of(search, 0))
