import numpy as np
import pytest

from emtnas_hpc.search.trainer import training_batches
from emtnas_hpc.settings.experiment import TrainingSettings

N_IMAGES = 1157


def draw(batches, seed=0):
    settings = TrainingSettings(batch_size=16, batches=batches)
    return training_batches(N_IMAGES, settings, np.random.default_rng(seed))


def test_an_epoch_shows_every_image_once_and_keeps_its_last_smaller_batch():
    batches = draw("epoch")
    assert [len(batch) for batch in batches] == [16] * 72 + [5]
    assert sorted(np.concatenate(batches)) == list(range(N_IMAGES))


@pytest.mark.parametrize("n_batches", [1, 3, 73, 80, 200])
def test_a_number_of_batches_goes_on_in_the_next_epoch(n_batches):
    batches = draw(n_batches)
    assert [len(batch) for batch in batches] == [16] * n_batches
    first_epoch = np.concatenate(batches)[:N_IMAGES]
    assert len(set(first_epoch)) == len(first_epoch)


def test_another_stream_draws_otherwise():
    assert not np.array_equal(np.concatenate(draw(3)), np.concatenate(draw(3, seed=1)))
