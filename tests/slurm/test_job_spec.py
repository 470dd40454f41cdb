from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.paths import JobsPaths
from emtnas_hpc.errors import InputError
from emtnas_hpc.search.environment import ANY_GPU
from emtnas_hpc.slurm.job_files import JobSpec, read_job_spec, write_job_spec
from emtnas_hpc.slurm.profile import Profile

REQUEST = JobSpec(
    profile=Profile(
        partition="gpu",
        time=90,
        memory_gb=2.5,
        setup=("module load 'cuda'", 'export A="b"'),
        sbatch={"exclusive": True, "nice": 5, "comment": 'a "b"'},
    ),
    data="/data/of me",
    device="cuda",
    prepare_command="emtnas-hpc prepare cifar --set 'a=[\"b\"]'",
)


@pytest.fixture
def jobs(tmp_path: Path) -> JobsPaths:
    return JobsPaths(tmp_path / "jobs" / "seed-0")


def test_a_request_is_read_as_it_was_written(jobs: JobsPaths) -> None:
    write_job_spec(jobs, REQUEST, "token")
    assert read_job_spec(jobs) == REQUEST


@pytest.mark.parametrize(
    ("device", "gpus", "chosen"),
    [("auto", 1, ANY_GPU), ("auto", 0, "auto"), ("cpu", 1, "cpu"), ("cuda:0", 0, "cuda:0")],
)
def test_a_job_that_asks_for_a_gpu_never_falls_silently_to_the_cpu(
    device: str, gpus: int, chosen: str
) -> None:
    request = JobSpec(profile=Profile(gpus=gpus), data="/d", device=device, prepare_command="")
    assert request.search_device == chosen


def test_a_run_that_was_never_launched_has_none(jobs: JobsPaths) -> None:
    assert read_job_spec(jobs) is None


@pytest.mark.parametrize("text", ["[", "data = 3\n", "\udcff"])
def test_a_request_that_cannot_be_understood_is_named(jobs: JobsPaths, text: str) -> None:
    write_job_spec(jobs, REQUEST, "token")
    jobs.spec.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=r"request\.toml is not the job spec of a run: .*again$"):
        read_job_spec(jobs)
