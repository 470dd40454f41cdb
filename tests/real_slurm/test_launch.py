"""`launch` and `resume` on a real SLURM, up to what the jobs make of it."""

import os
import re
import shutil
import signal
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from clusters import Cluster
from deadlines import wait_for
from pace import asleep
from stories import Story
from tiny import Reference, Search, assert_equal_runs, emtnas

from emtnas_hpc.slurm.job_files import read_records

pytestmark = pytest.mark.slurm

#: As long as the user of a scheduler that does not answer waits to hear so.
PATIENCE_S = 20.0


def names(cluster: Cluster) -> list[str]:
    """Of the jobs in the queue, each as often as it is there."""
    return sorted(line.split()[1] for line in cluster.queue())


def recorded(search: Search, seed: int) -> list[str]:
    return sorted(record.name for record in read_records(search.run(seed).jobs) if not record.void)


def test_five_seeds_end_as_in_the_foreground_and_are_submitted_once(
    story: Story, cluster: Cluster, search: Search, reference: Reference
) -> None:
    search = replace(search, generations=3)
    command = ("launch", *search.arguments(), "--seeds", 5, "--partition", "gpu")
    # None is to be done before it is launched again.
    hog = story.occupy()
    assert emtnas(*command).returncode == 0
    again = emtnas(*command)
    assert again.stdout.count(": left alone, in the queue: ") == 5, again.stdout
    cluster.run("scancel", hog)
    for seed in range(5):
        # One that begins submits no standby job where one waits already.
        assert len(recorded(search, seed)) == 2
    for seed in range(5):
        wait_for(partial(search.is_done, seed), "the end", tell=search.tell)
        assert_equal_runs(search.run(seed), reference.of(search, seed))
    wait_for(lambda: not cluster.queue(), "a queue without standby jobs", tell=cluster.tell)
    assert emtnas(*command).stdout.count(": left alone, done") == 5
    assert cluster.queue() == []


def _killing_sbatch(folder: Path) -> Mapping[str, str]:
    """An sbatch that submits, and then kills whoever called it before he hears of it."""
    folder.mkdir()
    program = folder / "sbatch"
    program.write_text(
        f'#!/bin/sh\n{shutil.which("sbatch")} "$@" || exit $?\n[ "$1" = --test-only ] || '
        "kill -9 $PPID\n"
    )
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_a_launch_killed_between_sbatch_and_its_record_leaves_no_job_twice_and_forgets_none(
    cluster: Cluster, search: Search, reference: Reference, tmp_path: Path
) -> None:
    command = ("launch", *search.arguments(), "--partition", "gpu")
    # Held, or it would be gone before anybody looks: its folder was not made.
    environment = _killing_sbatch(tmp_path / "bin")
    killed = emtnas(*command, "--sbatch", "hold", environment=environment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    [orphan] = names(cluster)
    done = emtnas(*command)
    assert done.returncode == 0, done.stderr
    assert "cancelling what an earlier command left in the queue: job" in done.stderr
    assert names(cluster) == recorded(search, 0)
    assert orphan not in names(cluster)
    assert len(names(cluster)) == 2
    wait_for(lambda: search.is_done(0), "the end", tell=search.tell)
    assert_equal_runs(search.run(0), reference.of(search, 0))


@pytest.mark.parametrize("obstacle", ["kill", "stop"])
def test_a_controller_that_is_down_or_hangs_is_said_and_nothing_is_submitted(
    cluster: Cluster, search: Search, obstacle: str
) -> None:
    getattr(cluster, obstacle)("slurmctld")
    command = ("launch", *search.arguments(), "--partition", "gpu")
    done = emtnas(*command, within_s=PATIENCE_S)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert re.match("error: scontrol (refused: .*Unable to contact|did not answer)", line), line
    assert not search.runs.exists()
    cluster.mend()
    wait_for(lambda: cluster.attempt("squeue").returncode == 0, "a controller", tell=cluster.tell)
    assert emtnas(*command).returncode == 0
    assert len(recorded(search, 0)) == 2
    # A controller that was killed may have forgotten what was cancelled just before.
    assert set(recorded(search, 0)) <= set(names(cluster))


def test_what_no_node_can_give_is_refused_and_what_is_down_is_waited_for(
    cluster: Cluster, search: Search
) -> None:
    command = ("launch", *search.arguments(), "--partition", "gpu", "--sbatch", "mem=1T")
    done = emtnas(*command)
    assert done.returncode == 2
    assert "error: memory_gb is 1024 (--sbatch), but a node of gpu has 62.5 at most" in done.stderr
    assert not search.runs.exists()
    cluster.run("scontrol", "update", "nodename=n1,n2", "state=drain", "reason=test")
    done = emtnas("launch", *search.arguments(), "--partition", "gpu")
    cluster.run("scontrol", "update", "nodename=n1,n2", "state=resume")
    assert done.returncode == 0, done.stderr
    assert "warning: no node can take such a job now, it would wait" in done.stdout


def test_a_cancelled_search_is_taken_up_by_resume_and_ends_as_if_nothing_had_happened(
    story: Story,
) -> None:
    story.launch()
    with asleep(story):
        assert emtnas("cancel", "tiny", "--runs", story.search.runs).returncode == 0
    assert story.cluster.queue() == []
    assert not story.search.is_done(0)
    done = emtnas("resume", "--runs", story.search.runs)
    assert done.returncode == 0, done.stderr
    story.assert_ends_as_if_nothing_had_happened()


def test_a_path_with_spaces_and_quotes_is_no_obstacle(
    cluster: Cluster, data: Path, tmp_path: Path
) -> None:
    search = Search(tmp_path / "my 'own' \"runs\" $HOME #1", data, generations=1)
    done = emtnas("launch", *search.arguments(), "--partition", "gpu")
    assert done.returncode == 0, done.stderr
    wait_for(lambda: search.is_done(0), "the end", tell=search.tell)
    logs = search.runs.glob("tiny/jobs/seed-0/*/*_log.out")
    assert any("generation 1/1" in log.read_text() for log in logs)
