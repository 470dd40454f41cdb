from pathlib import Path

import pytest
from stand_ins import StandIns

from emtnas_hpc.errors import InputError, SchedulerError
from emtnas_hpc.slurm.acceptance import REFUSED, check_acceptance, is_refusal

SCRIPT = "#!/bin/bash\ntrue\n"


def test_slurm_is_asked_whether_it_would_accept_without_submitting(stand_ins: StandIns) -> None:
    found = stand_ins.folder / "found"
    stand_ins.write("sbatch", f'cat "$2" > {found}; echo Job 9 to start at noon >&2')
    assert check_acceptance(SCRIPT) == (False, [])
    assert found.read_text() == SCRIPT
    [call] = stand_ins.calls
    assert call.startswith("sbatch --test-only /")
    assert not Path(call.split()[-1]).exists()


def test_a_job_that_slurm_would_not_accept_is_bad_input(stand_ins: StandIns) -> None:
    stand_ins.write("sbatch", "echo 'allocation failure: Invalid account' >&2; exit 1")
    with pytest.raises(InputError) as refusal:
        check_acceptance(SCRIPT)
    assert str(refusal.value) == (
        "SLURM would not accept such a job: allocation failure: Invalid account"
    )


def test_nodes_that_are_down_are_no_refusal(stand_ins: StandIns) -> None:
    words = "allocation failure: Requested node configuration is not available"
    stand_ins.write("sbatch", f"echo '{words}' >&2; exit 1")
    assert check_acceptance(SCRIPT) == (
        True,
        [f"no node can take such a job now, it would wait; SLURM says: {words}"],
    )


@pytest.mark.parametrize(
    "words",
    [
        "Invalid partition name specified",
        "Access/permission denied",
        "Requested time limit is invalid (missing or exceeds some limit)",
        "Requested node configuration is not available",
        "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
        "User's group not permitted to use this partition",
        "More processors requested than permitted",
        "Memory specification can not be satisfied",
        "No partition specified or system default partition",
        "Job dependency problem",
        "QOSMaxSubmitJobPerUserLimit",
    ],
)
def test_known_words_against_a_job_are_a_refusal(words: str) -> None:
    assert is_refusal(f"{REFUSED}Batch job submission failed: {words}")
    assert not is_refusal(words)


def test_a_site_s_own_words_against_a_job_are_bad_input(stand_ins: StandIns) -> None:
    stand_ins.write("sbatch", "echo 'Say which project pays: Unspecified error' >&2; exit 1")
    with pytest.raises(InputError, match="Say which project pays"):
        check_acceptance(SCRIPT)


def test_a_controller_that_is_down_is_no_refusal(stand_ins: StandIns) -> None:
    stand_ins.write("sbatch", "echo 'Unable to contact slurm controller' >&2; exit 1")
    with pytest.raises(SchedulerError, match="Unable to contact slurm controller"):
        check_acceptance(SCRIPT)


def test_options_of_the_environment_are_said_also_where_a_job_would_wait(
    stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("SBATCH_RESERVATION", "ours")
    monkeypatch.setenv("SBATCH_PARTITION", "others")
    stand_ins.write("sbatch", "echo 'Requested node configuration is not available' >&2; exit 1")
    waits, [would_wait, options] = check_acceptance(SCRIPT)
    assert waits
    assert would_wait.startswith("no node can take such a job now")
    assert options == "your environment gives the jobs more options: SBATCH_RESERVATION=ours"
