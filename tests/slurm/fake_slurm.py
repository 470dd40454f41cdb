"""A SLURM of shell scripts that takes jobs into its queue and gives them numbers, and no more."""

from pathlib import Path

import pytest
from programs import GPU, LONG, NODES, StandIns

_SBATCH = """\
for script in "$@"; do :; done
[ "$1" = --test-only ] && exit 0
name=$(sed -n 's/^#SBATCH --job-name=//p' "$script")
after=$(sed -n 's/^#SBATCH --dependency=//p' "$script")
n=$(($(cat {folder}/n) + 1))
echo $n > {folder}/n
echo "$n|$name|PENDING|None|0|N/A|$after||" >> {folder}/queue
echo Submitted batch job $n
"""


class FakeSlurm(StandIns):
    """The commands that `launch` needs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, monkeypatch)
        for name in ("sed", "timeout", "kill", "env"):
            (folder / name).symlink_to(f"/usr/bin/{name}")
        (folder / "n").write_text("0\n")
        self.write("srun", "")
        self.partitions(GPU, LONG)
        self.write("sinfo", NODES)
        self.queue()
        self.accept()

    def accept(self) -> None:
        """An sbatch that takes every job."""
        self.write("sbatch", _SBATCH.format(folder=self.folder))

    def accept_only(self, n_jobs: int) -> None:
        """An sbatch that takes so many jobs and refuses those that follow."""
        refuse = f"[ $(cat {self.folder}/n) -ge {n_jobs} ] && echo 'sbatch: error: full' >&2"
        script = _SBATCH.format(folder=self.folder)
        self.write("sbatch", f'[ "$1" = --test-only ] || {{ {refuse} && exit 1; }}\n{script}')

    def start(self, *job_ids: str) -> None:
        """Jobs of the queue begin."""
        self._replace(lambda line: line.replace("|PENDING|", "|RUNNING|", 1), *job_ids)

    def end(self, *job_ids: str) -> None:
        """Jobs leave the queue."""
        self._replace(lambda _line: "", *job_ids)

    def _replace(self, change, *job_ids: str) -> None:  # type: ignore[no-untyped-def]
        changed = [
            change(f"{line}\n") if line.split("|")[0] in job_ids else f"{line}\n"
            for line in self.lines
        ]
        (self.folder / "queue").write_text("".join(changed))

    @property
    def lines(self) -> list[str]:
        """The queue as squeue shows it."""
        return (self.folder / "queue").read_text().splitlines()

    @property
    def jobs(self) -> dict[str, str]:
        """By the id of every job in the queue what it waits for."""
        return {line.split("|")[0]: line.split("|")[6] for line in self.lines}

    @property
    def submissions(self) -> int:
        """Jobs that sbatch has taken so far."""
        return int((self.folder / "n").read_text())
