import os

import pytest

from emtnas_hpc.slurm.slurm import (
    clean_environment,
    environment_options,
    package_root,
    sbatch_environment,
)

ROOT = package_root()


def test_a_variable_that_would_undo_a_profile_is_hidden_and_others_stay_and_are_told() -> None:
    ours = {"SBATCH_PARTITION": "old", "SBATCH_TIMELIMIT": "5", "SBATCH_GRES": "gpu:8"}
    theirs = {"SBATCH_RESERVATION": "lab", "HOME": "/home/me", "SLURM_CONF": "/c"}
    assert clean_environment({**ours, **theirs}) == theirs
    assert environment_options({**ours, **theirs}) == ("SBATCH_RESERVATION=lab",)


def test_what_is_private_to_a_job_is_not_handed_on_to_its_standby_job() -> None:
    job = {"SLURM_JOB_ID": "7", "SLURM_CONF": "/c", "TMPDIR": "/tmp/job7", "SBATCH_EXPORT": "NONE"}
    job |= {"CUDA_VISIBLE_DEVICES": "3", "HOME": "/home/me"}
    assert clean_environment(job) == {"SLURM_CONF": "/c", "HOME": "/home/me"}
    assert environment_options(job) == ()


def test_setup_lines_on_top_of_their_own_result_do_not_add_up() -> None:
    def next_job(environment: dict[str, str]) -> dict[str, str]:
        path, search = environment["PYTHONPATH"], environment["PATH"]
        return {"SLURM_JOB_ID": "7", "PYTHONPATH": f"{ROOT}:/mine:{path}", "PATH": f"/x:{search}"}

    first = next_job({"PYTHONPATH": "/a", "PATH": "/bin"})
    second = next_job(clean_environment(first))
    third = next_job(clean_environment(second))
    assert third == second
    assert clean_environment(third) == {"PYTHONPATH": "/mine:/a", "PATH": "/x:/bin"}


def test_the_environment_is_as_before_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_PARTITION", "old")
    before = dict(os.environ)
    with sbatch_environment():
        assert "SBATCH_PARTITION" not in os.environ
        os.environ["SLURM_CONF"] = "/elsewhere"
    assert dict(os.environ) == before
