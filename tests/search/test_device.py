import pytest
import torch

from emtnas_hpc.errors import InputError
from emtnas_hpc.search.environment import (
    ANY_GPU,
    check_device_name,
    choose_device,
    describe_choice,
    missing_gpu,
)

ON_CPU = {"device": "cpu", "device_model": "AMD EPYC"}
ON_CUDA = {"device": "cuda", "device_model": "RTX 2080 Ti"}
WARNING = "the job has a GPU, but torch sees none and computes on the CPU; "


def test_a_gpu_that_a_job_misses_is_said_as_it_is_and_not_as_if_it_had_been_typed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError) as refusal:
        choose_device(ANY_GPU)
    assert str(refusal.value).startswith("the job has asked for a GPU, but torch sees none on ")
    assert "--device is" not in str(refusal.value)
    assert "`launch --device cpu` does without" in str(refusal.value)


def test_any_gpu_is_the_first() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "device_count", lambda: 2)
        assert choose_device(ANY_GPU) == torch.device("cuda")


def test_any_gpu_is_nothing_to_type() -> None:
    with pytest.raises(InputError, match="--device is 'any GPU', expected auto, cpu"):
        check_device_name(ANY_GPU)


def test_a_device_that_nobody_named_is_said_and_one_that_was_asked_for_is_not() -> None:
    said = "computes on cuda (RTX 2080 Ti), chosen by itself"
    assert describe_choice("auto", ON_CUDA) == said
    assert describe_choice(ANY_GPU, ON_CUDA) == said
    assert describe_choice("cuda", ON_CUDA) is None


@pytest.mark.parametrize(
    ("environment", "begins"),
    [
        ({"SLURM_GPUS_ON_NODE": "1"}, WARNING),
        ({"SLURM_GPUS_ON_NODE": "2"}, "the job has 2 GPUs, but"),
        ({"SLURM_STEP_GPUS": "0,3"}, "the job has 2 GPUs, but"),
        ({"SLURM_JOB_GPUS": "0"}, WARNING),
    ],
)
def test_gpus_of_a_job_that_torch_does_not_see_are_warned_of(
    environment: dict[str, str], begins: str
) -> None:
    line = missing_gpu("auto", ON_CPU, environment)
    assert line is not None
    assert line.startswith(begins)


@pytest.mark.parametrize(
    ("asked", "conditions", "environment"),
    [
        ("auto", ON_CPU, {}),
        ("auto", ON_CPU, {"SLURM_GPUS_ON_NODE": "0"}),
        ("cpu", ON_CPU, {"SLURM_GPUS_ON_NODE": "1"}),
        ("auto", ON_CUDA, {"SLURM_GPUS_ON_NODE": "1"}),
    ],
)
def test_where_nothing_is_missing_nothing_is_warned_of(
    asked: str, conditions: dict[str, object], environment: dict[str, str]
) -> None:
    assert missing_gpu(asked, conditions, environment) is None
