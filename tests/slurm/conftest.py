import itertools
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "search"))

from stand_ins import StandIns


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    """Takes the place of SLURM's commands; the real ones are out of reach."""
    return StandIns(tmp_path / "commands", monkeypatch)


@pytest.fixture
def sbatch(stand_ins: StandIns) -> StandIns:
    """SLURM's commands, with an sbatch that gives the next job the id 9."""
    (stand_ins.folder / "timeout").symlink_to("/usr/bin/timeout")
    stand_ins.write("srun", "")
    stand_ins.write("sbatch", "echo Submitted batch job 9")
    return stand_ins


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """To wait for the end of jobs takes no time: each look at the clock is half a second."""
    now = itertools.count(step=0.5)
    clock = SimpleNamespace(monotonic=lambda: next(now), sleep=lambda _seconds: None)
    monkeypatch.setattr("emtnas_hpc.slurm.cancel.time", clock)
