"""Lets every incident happen to a search of its own, measures how each goes on, and tells it."""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from clusters import PLAIN, Cluster, Clusters
from deadlines import wait_for
from stories import Story
from tiny import Reference, Search, emtnas

from benchmarks.recovery_incidents import INCIDENTS, Incident
from emtnas_hpc.runner.attempts import AttemptRecord

CRASH_LOOP = "crash-loop"
#: Of a measurement that came to nothing.
_FAILURES = (AssertionError, OSError, subprocess.TimeoutExpired, pytest.fail.Exception)
#: More than any incident lets a search do.
_GENERATIONS = 500
_PATIENCE_S = 400.0

_COLUMNS = (
    *("what ends a job", "what happens", "goes on in"),
    *("next start, s", "computes, s", "commits, s"),
    "of SLURM's waiting times",
)


@dataclass(frozen=True)
class Recovery:
    """Seconds, one after the other.

    Attributes:
        slurm_s: from the incident to the beginning of our next process.
        ours_s: from there to the moment at which it computes.
        commit_s: from there to its first commit.
        in_the_same_job: whether SLURM requeued the job; else the standby job goes on.
    """

    slurm_s: float
    ours_s: float
    commit_s: float
    in_the_same_job: bool


def run(description: str | None) -> int:
    """Lets every incident happen, and prints the table; 1 if one could not be measured."""
    arguments = parse(description)
    chosen = [each for each in INCIDENTS if each.name in (arguments.only or [each.name])]
    clusters, found = Clusters(), dict[str, list[Recovery]]()
    with_crash_loop, given_up_s = CRASH_LOOP in (arguments.only or [CRASH_LOOP]), None
    with tempfile.TemporaryDirectory(prefix="recovery-") as folder:
        data = prepare(Path(folder))
        try:
            for incident in sorted(chosen, key=lambda each: each.site.switches):
                found[incident.name] = repeat(incident, clusters, data, arguments.repetitions)
            if with_crash_loop:
                given_up_s = crash_loop(clusters, data)
        finally:
            clusters.down()
    if chosen:
        print(as_markdown([(incident, found[incident.name]) for incident in chosen]))
    if given_up_s is not None:
        print(
            f"\nA seed that fails at each start was given up {given_up_s:.0f} s after the first "
            "of three."
        )
    return int(not all(found.values()) or (with_crash_loop and given_up_s is None))


def parse(description: str | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        prog="tools/benchmarks/recovery.py",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [*(each.name for each in INCIDENTS), CRASH_LOOP]
    parser.add_argument("--only", action="append", choices=names, help="may be repeated")
    parser.add_argument("--repetitions", type=int, default=1, metavar="N", help="of each (1)")
    arguments = parser.parse_args()
    if arguments.repetitions < 1:
        parser.error(f"--repetitions is {arguments.repetitions}, expected at least 1")
    return arguments


def prepare(folder: Path) -> Path:
    """The images; returns their directory."""
    done = emtnas("prepare", *Search(folder / "runs", folder / "data").experiment())
    if done.returncode:
        sys.exit(done.stderr)
    return folder / "data"


def repeat(incident: Incident, clusters: Clusters, data: Path, repetitions: int) -> list[Recovery]:
    """The same incident again and again, each time to a search of its own."""
    found = []
    for number in range(repetitions):
        runs = data.parent / f"{incident.name}-{number}"
        search = Search(runs, data, generations=_GENERATIONS)
        cluster = clusters.of(incident.site)
        os.environ["SLURM_CONF"] = cluster.environment["SLURM_CONF"]
        try:
            found.append(measure(incident, cluster, search))
        except _FAILURES as error:
            print(f"{incident.name}: {error}", file=sys.stderr, flush=True)
        else:
            print(f"{incident.name}: {found[-1]}", file=sys.stderr, flush=True)
        finally:
            emtnas("cancel", search.name, "--runs", runs)
            cluster.clear()
    return found


def measure(incident: Incident, cluster: Cluster, search: Search) -> Recovery:
    """Launches a seed, lets the incident happen to it, and waits until it has committed again.

    Raises:
        AssertionError: something else happened than should.
    """
    story = Story(cluster, search, Reference(search.runs, search.data))
    story.launch(*incident.options, partition=incident.partition)
    story.wait_for_generation(2)
    n_starts, before = len(story.starts()), story.job().job_id
    at = incident.happen(story)
    start = story.wait_for_start(n_starts + 1)
    began = _process_began(int(start.provenance["pid"]))
    computes = _when(story, n_starts, lambda event: event["event"] == "resumed")
    committed = _when(story, n_starts, lambda event: event["event"] == "committed")
    same = start.provenance["job_id"] == before
    return Recovery(began - at, computes - began, committed - computes, same)


def _when(story: Story, index: int, wanted: Callable[[dict[str, Any]], bool]) -> float:
    """The moment of the first such event of that start, or of one after it."""

    def found() -> list[dict[str, Any]]:
        starts: list[AttemptRecord] = story.starts()[index:]
        return [event for start in starts for event in start.events if wanted(event)]

    [event, *_] = wait_for(found, "the next start", _PATIENCE_S, story.tell)
    return datetime.fromisoformat(event["time"]).timestamp()


def _process_began(pid: int) -> float:
    """When a process began, by the wall clock."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    up_s = float(Path("/proc/uptime").read_text().split()[0])
    return time.time() - up_s + ticks / os.sysconf("SC_CLK_TCK")


def crash_loop(clusters: Clusters, data: Path) -> float | None:
    """Seconds until a run is given up that fails at each start."""
    cluster = clusters.of(PLAIN)
    os.environ["SLURM_CONF"] = cluster.environment["SLURM_CONF"]
    try:
        return measure_crash_loop(cluster, Search(data.parent / "hopeless", data))
    except _FAILURES as error:
        print(f"{CRASH_LOOP}: {error}", file=sys.stderr, flush=True)
        return None
    finally:
        cluster.clear()


def measure_crash_loop(cluster: Cluster, search: Search) -> float:
    """Seconds from the first start to the mark `failed`."""
    own_data = search.runs.with_name(f"{search.runs.name}-data")
    shutil.copytree(search.data, own_data)
    search = replace(search, data=own_data)
    story = Story(cluster, search, Reference(search.runs, search.data))
    # So that it begins only after its data is gone, which it would otherwise make anew.
    hog = story.occupy()
    story.launch()
    shutil.rmtree(own_data)
    own_data.write_text("no directory\n")
    cluster.run("scancel", hog)
    wait_for(story.run.failed.exists, "the mark", _PATIENCE_S, story.tell)
    began = datetime.fromisoformat(story.starts()[0].provenance["time"]).timestamp()
    return story.run.failed.stat().st_mtime - began


def as_markdown(rows: Sequence[tuple[Incident, Sequence[Recovery]]]) -> str:
    """The table; of several measurements the median, and the range in brackets."""
    lines = [_line(_COLUMNS), _line(["---"] * len(_COLUMNS))]
    return "\n".join([*lines, *(_line(_cells(*row)) for row in rows)])


def _cells(incident: Incident, found: Sequence[Recovery]) -> Sequence[str]:
    seconds = (
        _seconds(found, lambda each: each.slurm_s),
        _seconds(found, lambda each: each.ours_s),
        _seconds(found, lambda each: each.commit_s),
    )
    return (incident.what, incident.happens, _jobs(found), *seconds, incident.of_slurm)


def _jobs(found: Sequence[Recovery]) -> str:
    """Which jobs went on."""
    names = {"the same job" if each.in_the_same_job else "its standby job" for each in found}
    return " or ".join(sorted(names)) or "failed"


def _seconds(found: Sequence[Recovery], of: Callable[[Recovery], float]) -> str:
    values = sorted(of(each) for each in found)
    if not values:
        return "failed"
    median = f"{statistics.median(values):.0f}"
    return median if len(values) == 1 else f"{median} ({values[0]:.0f}-{values[-1]:.0f})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
