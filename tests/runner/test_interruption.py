import os
import signal

import pytest

from emtnas_hpc.runner.interruption import StopRequest

SIGNALS = [signal.SIGUSR2, signal.SIGTERM, signal.SIGINT]


def _send(number: signal.Signals) -> None:
    signal.raise_signal(number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_sets_the_flag_and_nothing_more(number: signal.Signals) -> None:
    with StopRequest() as stop:
        assert not stop.requested
        _send(number)
        assert stop.requested
        assert stop.signal == number.name


def test_the_first_signal_is_the_one_that_is_named() -> None:
    with StopRequest() as stop:
        _send(signal.SIGUSR2)
        _send(signal.SIGTERM)
        assert stop.signal == "SIGUSR2"


def test_a_second_sigint_interrupts_at_once() -> None:
    with StopRequest() as stop:
        _send(signal.SIGTERM)
        _send(signal.SIGINT)
        assert stop.signal == "SIGTERM"
        with pytest.raises(KeyboardInterrupt):
            _send(signal.SIGINT)


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
