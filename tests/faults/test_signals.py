import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from counting import CountingStage, expected_state, run_counting
from interrupting import interrupt_until_it_leaves

from emtnas_hpc.checkpoint.commits import read_newest
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.runner.attempts import read_attempts
from emtnas_hpc.runner.loop import Outcome

Start = Callable[..., "subprocess.Popen[str]"]


def _wait_for_step(process: "subprocess.Popen[str]", step: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= step:
            return
    pytest.fail(process.stderr.read() if process.stderr else "")


def _state(directory: Path) -> str | None:
    return read_newest(RunPaths(directory).stage("search"), "state.txt", Path.read_text)


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_run_after_its_step_and_a_restart_ends_it(
    start: Start, directory: Path, number: signal.Signals
) -> None:
    first = start("--steps", "600", "--batch-s", "0.1", "--interval-s", "60")
    _wait_for_step(first, 2)
    first.send_signal(number)
    output, _ = first.communicate()
    assert first.returncode == 4
    done = 2 + len(output.split())
    assert _state(directory) == expected_state(done)
    (attempt,) = read_attempts(RunPaths(directory))
    assert [e["event"] for e in attempt.events] == ["started", "committed", "stopped"]
    assert attempt.events[-1]["signal"] == number.name
    assert not RunPaths(directory).owner.exists()
    second = start("--steps", str(done + 2))
    second.communicate()
    assert second.returncode == 0
    assert _state(directory) == expected_state(done + 2)


def test_a_step_that_is_too_long_for_the_grace_time_is_abandoned(directory: Path) -> None:
    def batch(step: int) -> None:
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    outcome = run_counting(directory, CountingStage(6, batch), grace_s=0.0)
    assert outcome is Outcome.MORE
    assert _state(directory) == expected_state(1)
    (attempt,) = read_attempts(RunPaths(directory))
    assert attempt.events[-1]["event"] == "abandoned"
    assert attempt.events[-1]["step"] == 2
    assert run_counting(directory, CountingStage(6)) is Outcome.DONE
    assert _state(directory) == expected_state(6)


def test_a_second_sigint_leaves_at_once_and_a_restart_ends_the_run(
    start: Start, directory: Path
) -> None:
    first = start("--batch-s", "3")
    attempts = RunPaths(directory)
    while not any(attempt.events for attempt in read_attempts(attempts)):
        time.sleep(0.01)
    first.send_signal(signal.SIGINT)
    # Two at the same moment would be one.
    time.sleep(1.0)
    interrupt_until_it_leaves(first)
    first.communicate()
    assert first.returncode == 130
    (attempt,) = read_attempts(attempts)
    assert attempt.events[-1]["at_once"] is True
    assert not attempts.owner.exists()
    second = start()
    second.communicate()
    assert second.returncode == 0
    assert _state(directory) == expected_state(6)
