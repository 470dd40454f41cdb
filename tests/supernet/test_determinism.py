import pytest
import torch

from emtnas_hpc.supernet import device
from emtnas_hpc.supernet.device import prepare_torch
from emtnas_hpc.supernet.training import SgdSettings, Training


@pytest.mark.parametrize("threads", [1, 2])
def test_a_number_of_threads_gives_the_same_bits_every_time(
    threads, make_network, architecture, batch
):
    prepare_torch(threads, torch.device("cpu"))
    assert torch.get_num_threads() == threads
    results = []
    for _repetition in range(2):
        network = make_network(architecture=architecture(0), dtype=torch.float32)
        training = Training(network, SgdSettings())
        for step in range(2):
            images, targets = batch(n=32, seed=step, dtype=torch.float32)
            training.step(network.path(architecture(0)), images, targets, 0.1)
        results.append(training.network.weights)
    assert torch.equal(*results)


def test_a_c_library_that_cannot_be_told_is_left_alone(monkeypatch):
    class Other:
        pass

    monkeypatch.setattr(device.ctypes, "CDLL", lambda _name: Other())
    device.keep_freed_memory()
