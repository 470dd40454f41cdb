import pytest
import torch

from emtnas_hpc.errors import InputError
from emtnas_hpc.search.environment import ANY_GPU, check_device_name, choose_device


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
