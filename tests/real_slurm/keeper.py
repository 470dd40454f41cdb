"""Keeps a cluster up for as long as its standard input stays open, and takes it down after that.

The other end of the pipe is a test session's: however that ends, by Ctrl-C or by kill -9, the
kernel closes it. Usage: keeper.py ROOT [switch of `local-slurm up`]...
"""

import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools/local-slurm"


def local_slurm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(TOOL), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def main(root: str, *switches: str) -> None:
    # A terminal's Ctrl-C reaches us too, and the tests that are still at it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    done = local_slurm("up", "--root", root, *switches)
    # A session that was ended meanwhile reads no answer; the cluster is to go all the same.
    with suppress(BrokenPipeError):
        sys.stdout.write("up\n" if done.returncode == 0 else done.stderr.strip().splitlines()[-1])
        sys.stdout.flush()
    if done.returncode == 0:
        # The session may write nothing: this ends when it does.
        sys.stdin.read()
        local_slurm("down", "--root", root)
    shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
