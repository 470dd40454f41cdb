import pytest
import torch

from emtnas_hpc.errors import EmtnasError
from emtnas_hpc.supernet.device import out_of_memory_as_error

CPU = torch.device("cpu")


def test_memory_that_this_machine_does_not_have_is_one_line_with_what_was_asked_for():
    with (
        pytest.raises(EmtnasError) as refusal,
        out_of_memory_as_error(CPU, "a smaller batch takes less"),
    ):
        torch.empty(2**52)
    assert type(refusal.value) is EmtnasError
    assert str(refusal.value) == (
        "out of memory on this machine: 18014398509481984 bytes were asked for; "
        "a smaller batch takes less"
    )


def test_what_a_gpu_has_left_is_said_too(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (3 * 2**29, 11 * 2**30))
    said = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of ..."
    with (
        pytest.raises(EmtnasError, match=r"on the GPU: 2.00 GiB were asked for, 1.5 of 11.0 GiB"),
        out_of_memory_as_error(torch.device("cuda"), "less"),
    ):
        raise torch.OutOfMemoryError(said)


def test_a_gpu_that_answers_no_more_is_not_asked_for_more(monkeypatch):
    def refuse(_device):
        raise torch.AcceleratorError("CUDA error: out of memory")

    monkeypatch.setattr(torch.cuda, "mem_get_info", refuse)
    with (
        pytest.raises(EmtnasError, match="on the GPU: torch does not say how much; less"),
        out_of_memory_as_error(torch.device("cuda"), "less"),
    ):
        raise torch.AcceleratorError("CUDA error: out of memory Search for `cudaErrorMemory...`")


def test_any_other_error_of_torch_stays_what_it_is():
    with (
        pytest.raises(RuntimeError, match="shape"),
        out_of_memory_as_error(CPU, "less"),
    ):
        torch.empty(2).view(3)
