"""Small programs in the place of SLURM's commands; nothing of the package is needed for them."""

from pathlib import Path

import pytest

#: Partitions as scontrol shows them, nodes as sinfo does.
GPU = "PartitionName=gpu Default=YES MaxTime=1-00:00:00 State=UP"
LONG = "PartitionName=long Default=NO MaxTime=7-00:00:00 State=UP"
NODES = "echo '8|64000|gpu:rtx2080ti:2'"
#: What the rest of a script is run by: it knows nothing of sbatch's directives.
SRUN = 'while :; do case $1 in --output) shift 2;; -*) shift;; *) exec "$@";; esac; done'
#: The settings of a cluster in which nothing is wrong; it keeps no accounts.
_SETTINGS = (
    "JobRequeue = 1\nSLURM_VERSION = 22.05.8\nAccountingStorageType = accounting_storage/none\n"
    "PreemptType = preempt/none"
)


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

    def partitions(self, *lines: str) -> None:
        """An scontrol that shows these partitions, and the settings of the cluster."""
        shown = "\n".join(lines)
        self.write("scontrol", f"case $* in *config) echo '{_SETTINGS}';; *) echo '{shown}';; esac")

    def run_jobs_here(self, log: Path) -> None:
        """A cluster whose only node is this machine, and whose queue is what a file says."""
        self.partitions(f"{GPU} PreemptMode=OFF GraceTime=0")
        self.write("sinfo", NODES)
        self.write("srun", SRUN)
        self.write("squeue", f"cat {self._queue}")
        self.write("scancel", "")
        self.write("sbatch", f'[ "$1" = --test-only ] || {{ sh $2 > {log} 2>&1 & echo 7; }}')

    @property
    def calls(self) -> list[str]:
        """The commands so far, each with its arguments."""
        return self._calls.read_text().splitlines() if self._calls.exists() else []
