#!/usr/bin/env python3
"""How long it takes until a seed computes again, whatever ended its job: a table in Markdown.

A real SLURM of one machine (tools/local-slurm), searches of seconds a generation, and one incident
after the other. Three times in seconds follow each other:

next start   from the incident to our next process: the step under way, then SLURM
computes     from there: ours, Python, torch, data, the newest commit
commits      from there: a generation of the search

Needs emtnas-hpc installed with [dev], and SLURM's packages. A quarter of an hour; --only chooses.
Exit code 1 if something could not be measured.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Measures with the cluster and the searches of the tests."""
    sys.path[:0] = [str(ROOT / "tests/real_slurm"), str(ROOT / "tools")]
    from benchmarks.recovery_course import run

    return run(__doc__)


if __name__ == "__main__":
    sys.exit(main())
