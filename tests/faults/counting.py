"""The smallest stage, and a process that runs it; used by the tests of the runner and of faults."""

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.checkpoint.commits import RunStore
from emtnas_hpc.checkpoint.manifest import Summary
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import EmtnasError
from emtnas_hpc.runner.context import RunContext, open_run
from emtnas_hpc.runner.loop import Interrupted, Outcome, Progress, StepInterrupted, run
from emtnas_hpc.runner.signals import StopRequest

SIGNATURE = "5165"
N_BATCHES = 3


@dataclass
class Chain:
    """A state that tells every step that was lost, repeated or done out of order."""

    step: int
    digest: str


class CountingStage:
    """Each step hashes the digest of the one before, batch by batch; `batch` may take time."""

    name = "search"

    def __init__(self, n_steps: int, batch: Callable[[int], None] = lambda _: None) -> None:
        self.n_steps = n_steps
        self._batch = batch

    def start(self) -> Chain:
        return Chain(0, "")

    def advance(self, state: Chain, interrupted: Interrupted) -> Chain:
        for batch in range(N_BATCHES):
            if interrupted():
                raise StepInterrupted
            self._batch(state.step + 1)
            text = f"{state.digest} {state.step} {batch}"
            state.digest = hashlib.sha256(text.encode()).hexdigest()
        state.step += 1
        return state

    def save(self, state: Chain, directory: Path) -> None:
        with (directory / "state.txt").open("w") as file:
            file.write(f"{state.step} {state.digest}")
        with (directory / "weights.bin").open("wb") as file:
            file.write(state.digest.encode() * 1000)

    def load(self, directory: Path) -> Chain:
        with (directory / "state.txt").open() as file:
            step, _, digest = file.read().partition(" ")
        return Chain(int(step), digest)

    def readings(self, state: Chain) -> Mapping[str, object]:
        return {"digest": state.digest[:8]}

    def summary(self, state: Chain) -> Summary:
        return Summary(state.step, self.n_steps, None, {}, "")


def expected_state(n_steps: int) -> str:
    """What an uninterrupted run leaves in state.txt."""
    state, stage = Chain(0, ""), CountingStage(n_steps)
    for _ in range(n_steps):
        state = stage.advance(state, lambda: False)
    return f"{state.step} {state.digest}"


def run_counting(
    directory: Path,
    stage: CountingStage,
    *,
    take_over: bool = False,
    commit_interval_s: float = 0.0,
    grace_s: float = 30.0,
    notify: Callable[[Progress], None] = lambda _: None,
) -> Outcome:
    """Carries the stage on in the run directory, as the search does."""
    paths = RunPaths(directory)
    with (
        StopRequest() as stop,
        open_run(paths, RunContext(), provenance={"code": "test"}, take_over=take_over) as opened,
    ):
        store = RunStore(paths, stage.name, signature=SIGNATURE, claim=opened.claim)
        return run(
            stage,
            store,
            stop,
            opened.attempt,
            commit_interval_s=commit_interval_s,
            grace_s=grace_s,
            notify=notify,
        )


def _say_step(progress: Progress) -> None:
    sys.stdout.write(f"{progress.step}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch-s", type=float, default=0.0)
    parser.add_argument("--grace-s", type=float, default=30.0)
    parser.add_argument("--interval-s", type=float, default=0.0)
    parser.add_argument("--take-over", action="store_true")
    order = parser.parse_args()
    stage = CountingStage(order.steps, lambda _: time.sleep(order.batch_s))
    try:
        outcome = run_counting(
            order.directory,
            stage,
            take_over=order.take_over,
            commit_interval_s=order.interval_s,
            grace_s=order.grace_s,
            notify=_say_step,
        )
    except EmtnasError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0 if outcome is Outcome.DONE else 4


if __name__ == "__main__":
    sys.exit(main())
