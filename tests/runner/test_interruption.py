import os
import signal
import time

import pytest

from emtnas_hpc.errors import StoppedError
from emtnas_hpc.runner.signals import ReceivedSignal, StopRequest

SIGNALS = [signal.SIGUSR2, signal.SIGTERM, signal.SIGINT]


class OnlyUsr2Stops:
    """A rule that remembers what it was asked."""

    signals = (signal.SIGUSR2, signal.SIGTERM)

    def __init__(self) -> None:
        self.asked: list[str] = []

    def stops(self, heard: ReceivedSignal) -> bool:
        self.asked.append(heard.name)
        return heard.number == signal.SIGUSR2


def _send(number: signal.Signals) -> None:
    signal.raise_signal(number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_leaves_with_a_line_that_names_it(number: signal.Signals) -> None:
    with StopRequest() as stop:
        with pytest.raises(StoppedError) as stopped:
            _send(number)
        assert stop.signal == stopped.value.signal == number.name
    assert stopped.value.exit_code == 4
    message = f"stopped by {number.name}, nothing is lost; the same command goes on"
    assert str(stopped.value) == message


def test_signals_after_the_first_do_not_cut_the_way_out() -> None:
    with StopRequest() as stop:
        with pytest.raises(StoppedError):
            _send(signal.SIGTERM)
        _send(signal.SIGTERM)
        _send(signal.SIGINT)
        assert stop.signal == "SIGTERM"


@pytest.mark.parametrize("number", SIGNALS)
def test_a_deferred_signal_sets_the_flag_and_nothing_more(number: signal.Signals) -> None:
    with StopRequest() as stop, stop.deferred():
        assert not stop.requested
        _send(number)
        assert stop.requested
        assert stop.signal == number.name


def test_the_first_signal_is_the_one_that_is_named() -> None:
    with StopRequest() as stop, stop.deferred():
        _send(signal.SIGUSR2)
        _send(signal.SIGTERM)
        assert stop.signal == "SIGUSR2"


def test_a_second_sigint_interrupts_at_once() -> None:
    with StopRequest() as stop, stop.deferred():
        _send(signal.SIGTERM)
        _send(signal.SIGINT)
        assert stop.signal == "SIGTERM"
        with pytest.raises(KeyboardInterrupt):
            _send(signal.SIGINT)


def test_deferring_ends_with_the_outermost_block() -> None:
    with StopRequest() as stop:
        with stop.deferred():
            with stop.deferred():
                pass
            _send(signal.SIGUSR2)
        assert stop.requested
    with StopRequest() as stop:
        with stop.deferred():
            pass
        with pytest.raises(StoppedError):
            _send(signal.SIGUSR2)


def test_the_old_handlers_come_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with StopRequest():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_child_that_inherited_the_handlers_ignores_signals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with StopRequest() as stop:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        for number in (*SIGNALS, signal.SIGINT):
            _send(number)
        monkeypatch.undo()
        assert not stop.requested


def test_a_signal_that_does_not_stop_by_the_rule_changes_nothing() -> None:
    with StopRequest(rule := OnlyUsr2Stops()) as stop:
        _send(signal.SIGTERM)
        assert not stop.requested
        with pytest.raises(StoppedError, match="SIGUSR2"):
            _send(signal.SIGUSR2)
    assert rule.asked == ["SIGTERM", "SIGUSR2"]


def test_signals_that_the_rule_does_not_name_are_left_as_they_are() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopRequest(OnlyUsr2Stops()):
        assert signal.getsignal(signal.SIGINT) is before


def test_the_rule_is_asked_once_a_signal_and_not_before_somebody_looks() -> None:
    with StopRequest(rule := OnlyUsr2Stops()) as stop, stop.deferred():
        for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGTERM):
            _send(number)
        assert rule.asked == []
        assert stop.requested
        assert stop.signal == "SIGUSR2"
        assert rule.asked == ["SIGTERM", "SIGUSR2", "SIGTERM"]


def test_a_signal_is_heard_when_it_comes_not_when_somebody_looks() -> None:
    heard = []

    class Remembers(OnlyUsr2Stops):
        def stops(self, each: ReceivedSignal) -> bool:
            heard.append(each.at)
            return False

    with StopRequest(Remembers()) as stop, stop.deferred():
        before = time.monotonic()
        _send(signal.SIGTERM)
        after = time.monotonic()
        assert not stop.requested
    assert before <= heard[0] <= after


def test_whoever_deferred_a_stop_can_leave_for_it_later() -> None:
    with StopRequest() as stop:
        stop.leave_if_requested()
        with stop.deferred():
            _send(signal.SIGUSR2)
        with pytest.raises(StoppedError, match="SIGUSR2"):
            stop.leave_if_requested()
