"""Lets every incident happen to a search of its own, and measures how each goes on."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from clusters import PLAIN, Clusters
from tiny import Search, emtnas

from benchmarks.recovery_hopeless import measure_crash_loop
from benchmarks.recovery_incidents import INCIDENTS, Incident
from benchmarks.recovery_moments import Recovery, measure
from benchmarks.recovery_table import as_markdown

CRASH_LOOP = "crash-loop"
#: Of a measurement that came to nothing.
_FAILURES = (AssertionError, OSError, subprocess.TimeoutExpired, pytest.fail.Exception)
#: More than any incident lets a search do.
_GENERATIONS = 500


def run(description: str | None) -> int:
    """Lets every incident happen, and prints the table; what failed is said there."""
    arguments = parse(description)
    chosen = [each for each in INCIDENTS if each.name in (arguments.only or [each.name])]
    clusters, rows, last_words = Clusters(), [], ""
    with tempfile.TemporaryDirectory(prefix="recovery-") as folder:
        data = prepare(Path(folder))
        try:
            for incident in sorted(chosen, key=lambda each: each.site.switches):
                rows.append((incident, repeat(incident, clusters, data, arguments.repetitions)))
            if CRASH_LOOP in (arguments.only or [CRASH_LOOP]):
                last_words = crash_loop(clusters, data)
        finally:
            clusters.down()
    if rows:
        print(as_markdown([row for incident in INCIDENTS for row in rows if row[0] is incident]))
    if last_words:
        print(f"\n{last_words}")
    return 0


def crash_loop(clusters: Clusters, data: Path) -> str:
    """A sentence about the run that is given up."""
    cluster = clusters.of(PLAIN)
    os.environ["SLURM_CONF"] = cluster.environment["SLURM_CONF"]
    try:
        seconds = measure_crash_loop(cluster, Search(data.parent / "hopeless", data))
    except _FAILURES as error:
        return f"The crash loop was not measured: {error}"
    finally:
        cluster.clear()
    return f"A seed that fails at each start was given up {seconds:.0f} s after the first of three."


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
    return parser.parse_args()
