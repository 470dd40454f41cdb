"""Small programs in the place of SLURM's commands; nothing of the package is needed for them."""

from pathlib import Path

import pytest


class StandIns:
    """Programs of which each call is counted; there is no squeue until one is written."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        folder.mkdir()
        self._calls = folder / "calls"
        self._queue = folder / "queue"
        # Python and the shell's own commands only.
        for name in ("sh", "echo", "cat", "cut", "sleep", "grep", "mv"):
            (folder / name).symlink_to(f"/bin/{name}")
        monkeypatch.setenv("PATH", str(folder))

    def write(self, name: str, script: str) -> None:
        program = self.folder / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {self._calls}\n{script}\n')
        program.chmod(0o755)

    def queue(self, *lines: str) -> None:
        """An squeue that shows these jobs, and an scancel that ends them."""
        self._queue.write_text("".join(f"{line}\n" for line in lines))
        one = f'grep "^$3|" {self._queue} | cut -d "|" -f 3'
        unknown = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"
        forgotten = f'grep -q "^$3|" {self._queue} || {{ {unknown}; }}'
        self.write(
            "squeue",
            f'if [ "$2" = --jobs ]; then {forgotten}; {one}; '
            f'else echo "JOBID|NAME|STATE|"; cat {self._queue}; fi',
        )
        ended = f'grep -v "^$id|" {self._queue} > {self._queue}.new; mv {self._queue}.new'
        self.write("scancel", f"for id in $*; do {ended} {self._queue}; done")

    @property
    def calls(self) -> list[str]:
        """The commands so far, each with its arguments."""
        return self._calls.read_text().splitlines() if self._calls.exists() else []
