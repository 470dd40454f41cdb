"""Standby jobs on a real SLURM where sbatch does not answer, or refuses."""

import os
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
from clusters import Cluster
from deadlines import wait_for
from tiny import Reference, Search, assert_equal_runs, emtnas

from emtnas_hpc.slurm.job_files import read_records

pytestmark = pytest.mark.slurm


def _environment(folder: Path, at_a_standby_job: str) -> Mapping[str, str]:
    """An sbatch that does something else at the first standby job; jobs find it too."""
    folder.mkdir()
    program, once = folder / "sbatch", folder / "once"
    program.write_text(
        f'#!/bin/sh\nfor script in "$@"; do :; done\n'
        f'if grep -q -- "--dependency=afterany" "$script" && [ ! -e {once} ]; then\n'
        f"touch {once}\n{at_a_standby_job}\nfi\n"
        f'exec {shutil.which("sbatch")} "$@"\n'
    )
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_a_standby_job_of_which_nobody_knows_the_number_is_replaced_by_one_that_can_start(
    cluster: Cluster, search: Search, reference: Reference, tmp_path: Path
) -> None:
    silence = (
        f'{shutil.which("sbatch")} "$@" > {tmp_path}/orphan\n'
        "echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1"
    )
    environment = _environment(tmp_path / "bin", silence)
    command = ("launch", *search.arguments(), "--partition", "gpu")
    done = emtnas(*command, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "warning: one standby job was not submitted (sbatch refused: Socket" in done.stderr
    orphan = (tmp_path / "orphan").read_text().split()[-1]
    records = search.run(0).jobs

    def has_standby() -> bool:
        return sum(record.job_id is not None for record in read_records(records)) == 2

    wait_for(has_standby, "a standby job of the job's own", tell=search.tell)
    assert orphan not in [line.split()[0] for line in cluster.queue()]
    assert [record.void for record in read_records(records)] == [False, False, True]
    wait_for(lambda: search.is_done(0), "the end", tell=search.tell)
    assert_equal_runs(search.run(0), reference.of(search, 0))


def test_a_refused_standby_job_keeps_no_seed_from_the_queue(
    cluster: Cluster, search: Search, tmp_path: Path
) -> None:
    full = "echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1"
    environment = _environment(tmp_path / "bin", full)
    command = ("launch", *search.arguments(), "--partition", "gpu", "--seeds", 3)
    done = emtnas(*command, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "warning: 3 standby jobs were not submitted (sbatch refused: QOSMax" in done.stderr
    for seed in range(3):
        wait_for(partial(search.is_done, seed), "the end", tell=search.tell)
    wait_for(lambda: not cluster.queue(), "a queue without standby jobs", tell=cluster.tell)
