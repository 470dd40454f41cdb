import signal

import pytest

from emtnas_hpc.errors import StoppedError
from emtnas_hpc.runner.signals import ReceivedSignal, StopRequest
from emtnas_hpc.slurm.job import JobSignalPolicy


def test_usr2_stops_a_job() -> None:
    with StopRequest(JobSignalPolicy(lambda: False)), pytest.raises(StoppedError, match="SIGUSR2"):
        signal.raise_signal(signal.SIGUSR2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGCONT])
def test_what_comes_before_a_preemption_is_waited_out(number: signal.Signals) -> None:
    with StopRequest(JobSignalPolicy(lambda: False)) as stop:
        signal.raise_signal(number)
        assert not stop.requested


def test_term_stops_a_job_whose_run_was_called_off() -> None:
    with StopRequest(JobSignalPolicy(lambda: True)), pytest.raises(StoppedError, match="SIGTERM"):
        signal.raise_signal(signal.SIGTERM)


def test_waking_up_stops_nothing() -> None:
    with StopRequest(JobSignalPolicy(lambda: True)) as stop:
        signal.raise_signal(signal.SIGCONT)
        assert not stop.requested


def test_every_signal_is_told_of() -> None:
    told: list[ReceivedSignal] = []
    rule = JobSignalPolicy(lambda: False)
    rule.on_signal = told.append
    with StopRequest(rule) as stop, stop.deferred():
        for number in (signal.SIGCONT, signal.SIGTERM, signal.SIGUSR2):
            signal.raise_signal(number)
        assert told == []
        assert stop.requested
    assert [heard.name for heard in told] == ["SIGCONT", "SIGTERM", "SIGUSR2"]
