"""Recording of training steps, with a recorder that keeps the step itself: it needs no GPU."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from emtnas_hpc.data.batches import DeviceImages
from emtnas_hpc.data.images import Images
from emtnas_hpc.supernet.graphs import CaptureError, Steps, trial
from emtnas_hpc.supernet.operations import draw_masks
from emtnas_hpc.supernet.training import SgdSettings, Training

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


class FakeRecorder:
    """Replays a step by running it again, and counts."""

    def __init__(self, fail_at=None):
        self.recorded = self.replayed = self.dropped = self.looks = 0
        self._fail_at = fail_at

    def on_stream(self):
        return nullcontext()

    def record(self, step):
        self.recorded += 1
        if self.recorded == self._fail_at:
            raise CaptureError("operation not permitted when stream is capturing")

        def replay():
            self.replayed += 1
            step()

        return replay

    def drop(self, replays):
        self.dropped += len(replays)
        replays.clear()

    def keep_pace(self):
        self.looks += 1


@pytest.fixture
def images() -> DeviceImages:
    """22 images: five mini-batches of four and a rest of two."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (22, 8, 8, 3), np.uint8)
    return DeviceImages(
        Images(pixels, np.arange(22) % 5),
        (0.5,) * 3,
        (0.5,) * 3,
        CPU,
        padding=1,
        flip=True,
        cutout=3,
    )


@pytest.fixture
def train(make_network, architecture, images):
    """Trains two individuals for some epochs; returns weights, momentum and statistics."""

    def train(recorder, epochs=(1, 2)):
        network = make_network(dtype=torch.float32)
        training = Training(network, SgdSettings())
        steps = Steps(training, recorder)
        masks = torch.Generator().manual_seed(1)
        for epoch in epochs:
            order = np.random.default_rng(epoch).permutation(22)
            batches = np.split(order, range(4, 22, 4))
            with steps.phase(0.1 / epoch):
                queues = images.queues(batches, np.random.default_rng(epoch))
                for number, (batch, queue) in enumerate(zip(batches, queues, strict=True)):
                    drop_path = 0.2 if epoch > 1 else 0.0
                    drawn = draw_masks(
                        network.shape, len(batch), masks, dropout=0.1, drop_path=drop_path
                    )
                    steps.step(network.path(architecture(number % 2)), queue, drawn)
        return [training.state()[k].clone() for k in ("weights", "momentum", "statistics")]

    return train


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_recorded_steps_give_the_bits_of_steps_as_they_come(train):
    recorder = FakeRecorder()
    assert equal(train(None), train(recorder))
    # Two individuals, without and with drop path, at their second step; the rest of an epoch is one
    # step of one individual, so that it is never repeated within it.
    assert recorder.recorded == 4
    assert recorder.replayed == 6
    assert recorder.looks == 12


def test_the_learning_rate_of_a_recorded_step_is_that_of_its_phase(train):
    ways = [train(recorder, (1, 1, 2)) for recorder in (None, FakeRecorder())]
    assert equal(*ways)
    assert not equal(ways[0], train(None, (1, 1, 1)))


def test_what_was_recorded_of_individuals_that_left_is_dropped_and_recorded_anew(
    make_network, architecture, images
):
    network, recorder = make_network(dtype=torch.float32), FakeRecorder()
    steps = Steps(Training(network, SgdSettings()), recorder)

    def two_steps_each(*numbers):
        steps.keep({architecture(number) for number in numbers})
        batches = [np.arange(4)] * (2 * len(numbers))
        queues = images.queues(batches, np.random.default_rng(0))
        with steps.phase(0.1):
            for number, queue in zip(np.repeat(numbers, 2).tolist(), queues, strict=True):
                drawn = draw_masks(network.shape, 4, torch.Generator(), dropout=0.1, drop_path=0.0)
                steps.step(network.path(architecture(number)), queue, drawn)

    two_steps_each(0, 1)
    assert (recorder.recorded, recorder.dropped) == (2, 0)
    two_steps_each(1)
    assert (recorder.recorded, recorder.dropped, recorder.replayed) == (2, 1, 4)
    two_steps_each(0)
    assert (recorder.recorded, recorder.dropped) == (3, 2)


def test_a_queue_that_grows_is_another_one(images):
    rng = np.random.default_rng(0)
    (small,) = images.queues([np.arange(4)], rng)
    (same,) = images.queues([np.arange(4)], rng)
    larger, _again = images.queues([np.arange(4)] * 2, rng)
    assert small.key == same.key != larger.key


def test_the_trial_passes_where_replays_are_right_and_says_where_they_are_not():
    assert trial(FakeRecorder(), CPU) == ""

    class Forgetful(FakeRecorder):
        def record(self, _step):
            return lambda: None

    assert trial(Forgetful(), CPU) == "replayed steps gave other bits than steps as they come"


def test_a_step_that_cannot_be_recorded_is_no_step(train):
    with pytest.raises(CaptureError, match="not permitted"):
        train(FakeRecorder(fail_at=2))
