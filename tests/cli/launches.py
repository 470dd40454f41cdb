"""Launching the smallest search there is, and what is left of it."""

from pathlib import Path

from command_line import TINY, Emtnas, Result

from emtnas_hpc.checkpoint.paths import RunPaths

NAMED = (*TINY, "--name", "tiny")


def launch(emtnas: Emtnas, data: Path, *arguments: object) -> Result:
    return emtnas("launch", *NAMED, "--data", data, *arguments)


def run(seed: int = 0) -> RunPaths:
    return RunPaths(Path("runs") / "tiny" / f"seed-{seed}")
