from types import SimpleNamespace

import pytest

from emtnas_hpc.runner.signals import GracePeriod

GRACE_S = 30.0


class Scene:
    """A grace whose stop request, heartbeat and clock a test has in hand."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.stop = SimpleNamespace(requested=False)
        self.n_touches = 0
        self.grace = GracePeriod(self.stop, self, GRACE_S, clock)

    def touch(self) -> None:
        self.n_touches += 1

    def step(self, seconds: float) -> None:
        self.grace.begin_step()
        self.clock.now += seconds
        assert self.grace.end_step() == seconds

    def interrupted_at(self, seconds: float) -> bool:
        self.clock.now = seconds
        return self.grace.interrupted()


@pytest.fixture
def scene(clock) -> Scene:
    return Scene(clock)


def test_nobody_is_interrupted_who_was_not_asked_to_stop(scene: Scene) -> None:
    scene.step(100)
    scene.grace.begin_step()
    assert not scene.interrupted_at(1000)


def test_every_question_keeps_the_heartbeat(scene: Scene) -> None:
    scene.grace.begin_step()
    for second in range(3):
        scene.interrupted_at(second)
    assert scene.n_touches == 3


def test_a_step_that_is_expected_to_end_in_time_goes_on(scene: Scene) -> None:
    scene.step(40)
    scene.grace.begin_step()
    scene.stop.requested = True
    assert not scene.interrupted_at(55)
    assert not scene.interrupted_at(80)


def test_a_step_that_is_expected_to_end_too_late_is_interrupted_at_once(scene: Scene) -> None:
    scene.step(40)
    scene.grace.begin_step()
    scene.stop.requested = True
    assert scene.interrupted_at(45)


def test_a_step_that_takes_longer_than_expected_has_the_grace_time(scene: Scene) -> None:
    scene.step(10)
    scene.grace.begin_step()
    scene.stop.requested = True
    assert not scene.interrupted_at(15)
    assert not scene.interrupted_at(44)
    assert scene.interrupted_at(46)


def test_a_first_step_has_the_grace_time(scene: Scene) -> None:
    scene.grace.begin_step()
    scene.clock.now = 500
    scene.stop.requested = True
    assert not scene.interrupted_at(500)
    assert not scene.interrupted_at(530)
    assert scene.interrupted_at(531)


def test_the_longest_of_the_recent_steps_is_what_is_expected(scene: Scene) -> None:
    for seconds in (1, 50, 1):
        scene.step(seconds)
    scene.grace.begin_step()
    scene.stop.requested = True
    assert scene.interrupted_at(53)


def test_a_step_outlasts_the_grace_time_if_a_recent_one_was_longer(scene: Scene) -> None:
    assert not scene.grace.is_too_short
    scene.step(GRACE_S)
    assert not scene.grace.is_too_short
    scene.step(GRACE_S + 1)
    assert scene.grace.is_too_short


def test_a_slow_step_of_long_ago_is_forgotten(scene: Scene) -> None:
    for seconds in (50, *[1] * 20):
        scene.step(seconds)
    scene.grace.begin_step()
    scene.stop.requested = True
    assert not scene.interrupted_at(71)
