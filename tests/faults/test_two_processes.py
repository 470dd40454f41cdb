import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from counting import expected_state

from emtnas_hpc.checkpoint.commits import read_newest
from emtnas_hpc.checkpoint.ownership import read_owner
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.runner.attempts import read_attempts

Start = Callable[..., "subprocess.Popen[str]"]


def _tree(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def _wait_until(condition: Callable[[], object]) -> None:
    while not condition():
        time.sleep(0.01)


def _is_stepping(paths: RunPaths) -> bool:
    return any(attempt.events for attempt in read_attempts(paths))


def test_the_second_process_is_refused_until_the_first_was_killed(
    start: Start, directory: Path
) -> None:
    paths = RunPaths(directory)
    first = start("--batch-s", "60")
    _wait_until(lambda: _is_stepping(paths))
    second = start()
    _, message = second.communicate()
    assert second.returncode == 3
    assert f"owned by process {first.pid} on " in message
    assert len(message.splitlines()) == 1
    first.kill()
    first.wait()
    third = start()
    third.communicate()
    assert third.returncode == 0
    assert read_newest(paths.stage("search"), "state.txt", Path.read_text) == expected_state(6)


def test_a_stopped_process_counts_as_alive(start: Start, directory: Path) -> None:
    first = start("--batch-s", "60")
    _wait_until(lambda: _is_stepping(RunPaths(directory)))
    first.send_signal(signal.SIGSTOP)
    second = start()
    second.communicate()
    assert second.returncode == 3


def test_a_stopped_process_that_wakes_up_after_a_takeover_leaves_without_writing(
    start: Start, directory: Path
) -> None:
    paths = RunPaths(directory)
    first = start("--batch-s", "0.4")
    _wait_until(lambda: _is_stepping(paths))
    first.send_signal(signal.SIGSTOP)
    second = start("--take-over")
    second.communicate()
    assert second.returncode == 0
    before = _tree(directory)
    first.send_signal(signal.SIGCONT)
    _, message = first.communicate()
    assert first.returncode == 3
    assert "leaving without writing" in message
    after = _tree(directory)
    own = next(name for name in after if name.startswith("attempts/0001-"))
    assert after.pop(own).splitlines()[-1].startswith(b'{"event": "superseded"')
    before.pop(own)
    assert after == before


def test_of_processes_that_start_together_one_ends_the_run_and_the_others_leave(
    start: Start, directory: Path
) -> None:
    paths = RunPaths(directory)
    starters = [start("--batch-s", "0.05") for _ in range(4)]
    for starter in starters:
        starter.communicate()
    # One that came so late that the run was finished has nothing to do, and says 0 as well.
    codes = {starter.returncode for starter in starters}
    assert codes in ({0, 3}, {0})
    assert read_newest(paths.stage("search"), "state.txt", Path.read_text) == expected_state(6)
    assert read_owner(paths.owner) is None
