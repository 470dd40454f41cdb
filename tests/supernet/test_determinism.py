import pytest
import torch

from emtnas_hpc.supernet import memory
from emtnas_hpc.supernet.determinism import prepare_torch
from emtnas_hpc.supernet.sgd import SgdSettings
from emtnas_hpc.supernet.training import Training


@pytest.fixture(autouse=True)
def as_it_was():
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_number_of_threads_gives_the_same_bits_every_time(
    threads, make_network, architecture, batch
):
    prepare_torch(threads)
    assert torch.get_num_threads() == threads
    assert torch.are_deterministic_algorithms_enabled()
    results = []
    for _repetition in range(2):
        training = Training(make_network(dtype=torch.float32), SgdSettings())
        for step in range(3):
            images, targets = batch(n=64, seed=step, dtype=torch.float32)
            training.step(training.network.path(architecture(step)), images, targets, 0.1)
        results.append(training.network.weights)
    assert torch.equal(*results)


def test_a_c_library_that_cannot_be_told_is_left_alone(monkeypatch):
    class Other:
        pass

    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _name: Other())
    memory.keep_freed_memory()
