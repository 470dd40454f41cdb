import os
import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from emtnas_hpc.cli.children import run_in_children
from emtnas_hpc.cli.events import SeedEvent, Who

WAIT = "print('waiting', flush=True); import time; time.sleep(60)"

STOPPING = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(4))
signal.signal(signal.SIGINT, lambda *_: sys.exit(4))
""" + WAIT  # fmt: skip


def _python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


class Heard(list[SeedEvent]):
    """What the children told; does something at the first event of each that waits."""

    def __init__(self, n_waiting: int = 0, *signals: signal.Signals) -> None:
        self._n_waiting = n_waiting
        self._signals = signals

    def __call__(self, event: SeedEvent) -> None:
        self.append(event)
        waiting = sum(event.text == "waiting" for event in self)
        if self._n_waiting and waiting == self._n_waiting and event.text == "waiting":
            for number in self._signals:
                os.kill(os.getpid(), number)

    @property
    def messages(self) -> list[tuple[int, str]]:
        return sorted((event.seed, event.text) for event in self)


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert threading.active_count() == 1


def test_children_that_are_done_make_all_done() -> None:
    heard = Heard()
    assert run_in_children({Who(0): _python(""), Who(1): _python("")}, 2, heard) == 0
    assert heard == []


def test_events_and_other_lines_of_children_are_heard_with_their_seed() -> None:
    event = SeedEvent(3, "step", step=1, n_steps=2, seconds=0.5, tasks={"a": {"loss": 1.0}})
    lines = [event.to_json(), "a warning", "{broken", "3"]
    program = f"for line in {lines}: print(line)"
    heard = Heard()
    assert run_in_children({Who(3): _python(program)}, 1, heard) == 0
    assert heard == [
        event,
        *(SeedEvent(3, "message", text=text) for text in ("a warning", "{broken", "3")),
    ]


def test_the_exit_code_of_a_child_that_failed_is_passed_on_and_the_others_go_on() -> None:
    commands = {
        Who(0): _python("import sys; sys.exit('error: it does not work')"),
        Who(1): _python("import sys; sys.exit(3)"),
        Who(2): _python("print('done')"),
    }
    heard = Heard()
    assert run_in_children(commands, 1, heard) == 1
    assert heard.messages == [(0, "error: it does not work"), (2, "done")]


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ((4, 3), 3),
        ((2, 2), 2),
        # One was carried on, so it was not bad input that changed nothing.
        ((4, 2), 1),
        ((0, 2), 1),
    ],
)
def test_a_failure_counts_more_than_a_stop(codes: tuple[int, ...], expected: int) -> None:
    commands = {
        Who(seed): _python(f"import sys; sys.exit({code})") for seed, code in enumerate(codes)
    }
    assert run_in_children(commands, 1, Heard()) == expected


def test_a_child_that_was_killed_is_named_with_its_signal() -> None:
    heard = Heard()
    program = "import os; os.kill(os.getpid(), 9)"
    assert run_in_children({Who(5): _python(program)}, 1, heard) == 1
    assert heard.messages == [(5, "ended by SIGKILL; the same command goes on")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_passed_on_to_all_and_nothing_new_is_started(number: signal.Signals) -> None:
    heard = Heard(2, number)
    commands = {Who(seed): _python(STOPPING) for seed in range(4)}
    assert run_in_children(commands, 2, heard) == 4
    assert heard.messages == [(0, "waiting"), (1, "waiting")]


def test_a_second_ctrl_c_kills_the_children() -> None:
    stubborn = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); " + WAIT
    heard = Heard(1)

    def interrupt_twice() -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            interrupted.wait(0.5)

    interrupted = threading.Event()
    interrupter = threading.Thread(target=interrupt_twice)

    def listen(event: SeedEvent) -> None:
        heard(event)
        if event.text == "waiting":
            interrupter.start()

    with pytest.raises(KeyboardInterrupt):
        run_in_children({Who(0): _python(stubborn)}, 1, listen)
    interrupter.join()
    assert heard.messages == [(0, "ended by SIGKILL; the same command goes on"), (0, "waiting")]
