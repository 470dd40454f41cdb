import pytest

from emtnas_hpc.retraining.spec import Schedule
from emtnas_hpc.settings.experiment import RetrainingSettings


def schedule(n_images: int = 100, **settings: float) -> Schedule:
    return Schedule(n_images, RetrainingSettings(**{"epochs": 3, "batch_size": 10, **settings}))


@pytest.mark.parametrize("part_batches", [1, 3, 4, 10, 11])
@pytest.mark.parametrize("n_images", [1, 95, 100, 101])
def test_the_steps_of_every_epoch_cover_its_images_once_and_in_order(
    n_images: int, part_batches: int
) -> None:
    made = schedule(n_images, part_batches=part_batches)
    steps = [made.step(number) for number in range(1, made.n_steps + 1)]
    for epoch in (1, 2, 3):
        own = [step for step in steps if step.epoch == epoch]
        assert [i for step in own for i in range(step.first, step.last)] == list(range(n_images))
        assert [step.ends_epoch for step in own] == [False] * (len(own) - 1) + [True]
        assert all(step.last - step.first <= 10 * part_batches for step in own)
    assert [step.epoch for step in steps] == sorted(step.epoch for step in steps)


def test_a_step_is_an_epoch_unless_that_is_long() -> None:
    assert schedule(part_batches=10).n_steps == 3
    assert schedule(part_batches=9).n_steps == 6


def test_the_learning_rate_falls_from_its_first_value_toward_0() -> None:
    rates = [schedule(learning_rate=0.4, epochs=4).learning_rate(epoch) for epoch in (1, 2, 3, 4)]
    assert rates == pytest.approx([0.4, 0.3414214, 0.2, 0.0585786])


def test_drop_path_rises_linearly_from_0_to_its_value() -> None:
    made = schedule(drop_path=0.3, epochs=4)
    assert [made.drop_path(epoch) for epoch in (1, 2, 3, 4)] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert schedule(drop_path=0.3, epochs=1).drop_path(1) == 0
