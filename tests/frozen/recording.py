"""The commands that all transcripts and dumps are taken from, run once for all tests."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from archive import unpack
from fake_slurm import FakeSlurm
from transcripts import AGES, MEASURED, Recorder

HERE = Path(__file__).parent
OLD_RUNS = HERE / "old_runs/runs.tar.xz"

#: In their order, by name: commands that train, whose numbers differ with the machine.
TRAINING = {
    "prepare": "prepare tiny.toml",
    "prepare-json": "prepare tiny.toml --json",
    "run": "run tiny.toml --name fresh --device cpu",
    "run-json": "run tiny.toml --name fresh --device cpu --json",
    "retrain": "retrain fresh --task digits --on again --device cpu",
    "retrain-json": "retrain fresh --task digits --on again --device cpu --json",
    "verify": "verify fresh --device cpu",
}
#: Commands that read what was trained long ago.
READING = {
    "report": "report finished",
    "report-unfinished": "report retraining",
    "report-csv": "report finished --format csv",
    "report-json": "report finished --json",
    "report-output": "report finished --output tables",
    "inspect": "inspect finished --svg cells",
    "inspect-json": "inspect searching --json",
    "export": "export finished --output exported --task digits",
    "export-untrained": "export searching --output exported --task again --untrained",
    "status": "status finished searching retraining launched",
    "status-json": "status finished searching retraining launched --json",
    "verify-two": "verify searching finished",
    "logs": "logs launched/seed-0",
}
#: Commands that carry on by themselves what was cut.
RESUMING = {
    "run-searching": "run tiny.toml --name searching --device cpu",
    "run-retraining": "run tiny.toml --name retraining --device cpu",
}
#: What was finished before, and what goes on now, beside a run of now from end to end.
COMPARING = {
    "compare-finished": "verify finished fresh",
    "compare-searching": "verify searching fresh",
    "compare-retraining": "verify retraining fresh",
}
_JOBS = "--partition gpu --gpus 0 --device cpu"
#: Commands that speak with SLURM.
SUBMITTING = {
    "cancel": "cancel launched",
    "cancel-again": "cancel launched/seed-1 finished",
    "launch-cancelled": f"launch tiny.toml --name launched --seeds 3 {_JOBS}",
    "resume": "resume launched/seed-0 launched/seed-1",
    "resume-json": "resume launched --json",
    "launch-plan": f"launch tiny.toml --name new --seeds 2 --dry-run {_JOBS}",
    "launch": f"launch tiny.toml --name new --seeds 2 {_JOBS}",
    "launch-json": f"launch tiny.toml --name new --seeds 2 --json {_JOBS}",
    "status-submitted": "status launched new",
}
#: Input that each verb refuses.
REFUSED = {
    "prepare-refused": "prepare nothing.toml",
    "run-refused": "run tiny.toml --set search.rmp=2",
    "retrain-refused": "retrain nothing",
    "report-refused": "report nothing",
    "inspect-refused": "inspect nothing",
    "export-refused": "export finished --output exported --task nothing",
    "verify-refused": "verify nothing",
    "launch-refused": f"launch tiny.toml --name new --seeds 1,1 {_JOBS}",
    "status-refused": "status nothing",
    "logs-refused": "logs nothing",
    "cancel-refused": "cancel nothing",
    "resume-refused": "resume nothing",
    "doctor-refused": "doctor tiny.toml --set search.rmp=2",
}
#: All that transcripts are taken from.
NAMES = (*TRAINING, *READING, *RESUMING, *SUBMITTING, *REFUSED, "doctor", "doctor-json")

#: Equal bits are promised where these are equal.
_SAME = ("device_model", "cpu_capability", "torch", "numpy", "threads")


@dataclass(frozen=True)
class Recording:
    """What came of the commands, and the folder that they worked in: not to be written to."""

    folder: Path
    recorder: Recorder

    def text(self, name: str) -> str:
        """The transcript of a command."""
        transcript = self.recorder.transcripts[name]
        if name in {*TRAINING, *RESUMING, *SUBMITTING}:
            return transcript.text(MEASURED)
        return transcript.text(AGES if name == "status" else ())

    def out(self, name: str) -> str:
        """What a command printed on stdout."""
        return self.recorder.transcripts[name].result.out

    @property
    def other_conditions(self) -> str:
        """What is different here from where the old runs were made; empty if bits must be equal."""
        old, new = (_provenance(self.folder / "runs" / name) for name in ("finished", "fresh"))
        others = (f"{name} {old[name]} -> {new[name]}" for name in _SAME if old[name] != new[name])
        return ", ".join(others)


def _provenance(experiment: Path) -> dict[str, object]:
    """What the first start of seed 0 says of itself."""
    lines = min((experiment / "seed-0/attempts").iterdir()).read_text().splitlines()
    own = [line for line in map(json.loads, lines) if "event" not in line]
    return {key: value for line in own for key, value in line.items()}


def record_all(folder: Path, patch: pytest.MonkeyPatch) -> Recording:
    """Runs all commands, once; the folder is the current directory, and empty."""
    shutil.copy(HERE / "tiny.toml", folder)
    unpack(OLD_RUNS, folder)
    slurm = FakeSlurm(folder.parent / "commands", patch)
    recorder = Recorder(folder, slurm)
    for name, command in TRAINING.items():
        recorder(name, command)
    take_queue(slurm, folder)
    for commands in (READING, RESUMING, COMPARING, SUBMITTING, REFUSED):
        for name, command in commands.items():
            recorder(name, command)
    _become_a_cluster(slurm)
    recorder("doctor", "doctor tiny.toml --gpus 0 --device cpu")
    (slurm.folder / "sbatch").unlink()
    recorder("doctor-json", "doctor tiny.toml --gpus 0 --device cpu --json")
    return Recording(folder, recorder)


def take_queue(slurm: FakeSlurm, folder: Path) -> None:
    """The queue as it was when the old runs were packed; its numbers go on."""
    lines = [line.split("|") for line in (folder / "queue").read_text().splitlines()]
    # squeue was asked for a start before the end, and for a partition as the last.
    slurm.queue(*("|".join((*columns[:5], *columns[6:9], "")) for columns in lines))
    (slurm.folder / "n").write_text("20\n")  # those that were submitted before have lower ones


def _become_a_cluster(slurm: FakeSlurm) -> None:
    """Jobs run, at once and here."""
    slurm.run_jobs_here(slurm.folder.parent / "log")
    (slurm.folder / "queue").write_text("7|emtnas-doctor-look|RUNNING|None|0|N/A|||\n")
