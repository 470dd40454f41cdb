import shlex
from pathlib import Path

import pytest
from stand_ins import StandIns

from emtnas_hpc.checkpoint.paths import seed_run
from emtnas_hpc.slurm.doctor import probe_folder
from emtnas_hpc.slurm.job_files import JobSpec
from emtnas_hpc.slurm.profile import Profile
from emtnas_hpc.slurm.submit import sbatch_text

PROFILE = Profile(
    partition="gpu,long",
    gpu_type="rtx2080ti",
    time=600,
    account="the lab",
    setup=("module load cuda",),
    sbatch={"exclusive": True, "comment": "it's", "mail-user": False, "gres": "tmp:1G"},
)
#: A test job is short, has a name of its own, and leaves nothing outside of its folder.
OWN = {"--job-name", "--output", "--signal", "--time"}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / 'it\'s "my" $HOME'


@pytest.fixture
def script(stand_ins: StandIns, runs: Path) -> str:
    """What sbatch was given for a doctor's job."""
    found = stand_ins.folder / "found"
    stand_ins.queue()
    stand_ins.write("srun", "")
    stand_ins.write("sbatch", f'cat "$2" > {found}; echo "7;cluster"')
    with probe_folder(runs) as probe:
        assert probe.run_job(PROFILE, patience_s=1) is None
    assert stand_ins.calls[-1] == "scancel 7"
    return found.read_text()


def _options(script: str) -> dict[str, str]:
    lines = [line for line in script.splitlines() if line.startswith("#SBATCH")]
    words = [shlex.split(line.removeprefix("#SBATCH")) for line in lines]
    assert all(len(each) == 1 for each in words), lines
    return {name: value for name, _, value in (each[0].partition("=") for each in words)}


def test_a_doctors_job_asks_for_what_those_of_launch_do(script: str, runs: Path) -> None:
    spec = JobSpec(profile=PROFILE, data="/data", device="auto", prepare_command="")
    launched = sbatch_text(seed_run(runs, "cifar", 0), spec)
    ours, theirs = _options(script), _options(launched)
    assert ours.keys() == theirs.keys()
    assert {name for name, value in ours.items() if value != theirs[name]} == OWN
    assert ours["--job-name"] == "emtnas-doctor"
    before = script.split("\nsrun")[0].partition("# setup")[2]
    assert before == launched.split("\nsrun")[0].partition("# setup")[2]


def test_a_folder_may_be_called_anything_that_is_no_pattern(script: str, runs: Path) -> None:
    assert Path(_options(script)["--output"]).parent.parent == runs
    [command] = [line for line in script.splitlines() if line.startswith("srun ")]
    words = shlex.split(command)
    assert Path(words[-1]).parent == runs
