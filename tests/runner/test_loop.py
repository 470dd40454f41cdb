import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from counting import SIGNATURE, Chain, CountingStage, expected_state

from emtnas_hpc.checkpoint.commits import RunStore
from emtnas_hpc.checkpoint.manifest import MANIFEST
from emtnas_hpc.checkpoint.ownership import Lease, acquire, this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import DamagedError, StoppedError, StorageError, SupersededError
from emtnas_hpc.runner.attempts import Attempt, read_attempts
from emtnas_hpc.runner.context import (
    Callbacks,
    Progress,
    Reason,
    ReasonToStop,
    RunContext,
    no_reason,
)
from emtnas_hpc.runner.loop import Outcome, run
from emtnas_hpc.runner.signals import StopRequest


class Bench:
    """A run directory that a test owns, and everything that `run` asks for."""

    def __init__(self, paths: RunPaths, clock) -> None:
        self.paths = paths
        self.clock = clock
        self.lease: Lease = acquire(paths, this_process())
        self.attempt = Attempt(paths, self.lease.token, {})
        self.progress: list[Progress] = []

    def run(
        self,
        stage: CountingStage,
        *,
        commit_interval_s: float = 0.0,
        reason_to_stop: ReasonToStop = no_reason,
    ) -> Outcome:
        store = RunStore(self.paths, stage.name, signature=SIGNATURE, lease=self.lease)
        with StopRequest() as stop:
            return run(
                stage,
                store,
                self.attempt,
                RunContext(stop, Callbacks(self.progress.append), reason_to_stop=reason_to_stop),
                commit_interval_s=commit_interval_s,
                grace_s=30.0,
                clock=self.clock,
            )

    def state(self, step: int) -> str:
        return (self.paths.stage("search").commit(step) / "state.txt").read_text()

    @property
    def events(self) -> list[tuple[str, object]]:
        """(event, step) of all events so far."""
        return [(e["event"], e.get("step")) for e in read_attempts(self.paths)[-1].events]

    @property
    def commits(self) -> list[object]:
        """The steps that were committed, pruned ones too."""
        return [step for event, step in self.events if event == "committed"]


@pytest.fixture
def bench(paths: RunPaths, clock) -> Iterator[Bench]:
    bench = Bench(paths, clock)
    yield bench
    bench.attempt.close()


def _stop_at(step: int) -> Callable[[int], None]:
    return lambda now: os.kill(os.getpid(), signal.SIGTERM) if now == step else None


def test_a_run_takes_every_step_and_commits_its_end(bench: Bench) -> None:
    assert bench.run(CountingStage(3)) is Outcome.DONE
    assert bench.state(3) == expected_state(3)
    assert bench.events == [
        ("started", 0),
        ("committed", 1),
        ("committed", 2),
        ("committed", 3),
        ("finished", 3),
    ]


def test_only_the_last_two_commits_are_kept(bench: Bench) -> None:
    bench.run(CountingStage(5))
    assert bench.paths.stage("search").steps() == [4, 5]


def test_progress_is_told_of_every_step(bench: Bench) -> None:
    def batch(step: int) -> None:
        bench.clock.now += step

    bench.run(CountingStage(2, batch))
    assert [(p.step, p.n_steps, p.seconds) for p in bench.progress] == [(1, 2, 3), (2, 2, 6)]
    assert bench.progress[0].readings == {"digest": expected_state(1).split()[1][:8]}


def test_a_commit_is_due_when_the_interval_has_passed(bench: Bench) -> None:
    def batch(_: int) -> None:
        bench.clock.now += 10

    bench.run(CountingStage(6, batch), commit_interval_s=60)
    assert bench.commits == [2, 4, 6]


def test_a_long_interval_leaves_the_end_to_be_committed(bench: Bench) -> None:
    bench.run(CountingStage(6), commit_interval_s=60)
    assert bench.commits == [6]


def test_the_time_that_a_commit_takes_is_not_part_of_the_interval(bench: Bench) -> None:
    class SlowDisk(CountingStage):
        def save(self, state: Chain, directory: Path) -> None:
            bench.clock.now += 100
            super().save(state, directory)

    def batch(_: int) -> None:
        bench.clock.now += 10

    bench.run(SlowDisk(6, batch), commit_interval_s=60)
    assert bench.commits == [2, 4, 6]


def test_a_stop_lets_the_step_end_and_commits_it(bench: Bench) -> None:
    assert bench.run(CountingStage(5, _stop_at(2)), commit_interval_s=60) is Outcome.MORE
    assert bench.events == [("started", 0), ("committed", 2), ("stopped", 2)]
    assert bench.state(2) == expected_state(2)


def test_a_stop_in_the_last_step_finishes_the_run(bench: Bench) -> None:
    assert bench.run(CountingStage(3, _stop_at(3))) is Outcome.DONE
    assert bench.events[-1] == ("finished", 3)


def test_a_stop_while_a_stage_starts_or_loads_leaves_at_once_and_writes_nothing(
    bench: Bench,
) -> None:
    class StoppedAtOnce(CountingStage):
        def start(self) -> Chain:
            signal.raise_signal(signal.SIGUSR2)
            pytest.fail("went on")

        def load(self, directory: Path) -> Chain:
            return self.start()

    with pytest.raises(StoppedError):
        bench.run(StoppedAtOnce(3))
    assert bench.events == []
    assert bench.paths.stage("search").steps() == []
    bench.run(CountingStage(2))
    before = bench.events
    with pytest.raises(StoppedError):
        bench.run(StoppedAtOnce(3))
    assert bench.events == before


def test_a_stop_that_nobody_heard_of_before_the_first_step_is_honoured(bench: Bench) -> None:
    class Deaf(CountingStage):
        def start(self) -> Chain:
            # As Python does where an exception has nowhere to go, in a destructor say.
            with suppress(StoppedError):
                signal.raise_signal(signal.SIGUSR2)
            return super().start()

    assert bench.run(Deaf(3)) is Outcome.MORE
    assert bench.events == [("started", 0), ("stopped", 0)]


def test_a_signal_does_not_cut_a_commit(bench: Bench) -> None:
    class StoppedWhileSaving(CountingStage):
        def save(self, state: Chain, directory: Path) -> None:
            super().save(state, directory)
            signal.raise_signal(signal.SIGTERM)

    assert bench.run(StoppedWhileSaving(3)) is Outcome.MORE
    # Committing goes before the step that follows, which ends within the grace time.
    assert bench.commits == [1, 2]


def test_what_a_step_that_is_too_long_for_the_grace_time_could_lose_is_committed_first(
    bench: Bench,
) -> None:
    def batch(step: int) -> None:
        bench.clock.now += 20
        _stop_at(4)(step)

    assert bench.run(CountingStage(5, batch), commit_interval_s=1000) is Outcome.MORE
    assert bench.commits == [1, 2, 3]
    assert bench.events[-1] == ("abandoned", 4)


def test_steps_that_a_stop_waits_for_are_not_committed_early(bench: Bench) -> None:
    def batch(_: int) -> None:
        bench.clock.now += 10

    bench.run(CountingStage(5, batch), commit_interval_s=1000)
    assert bench.commits == [5]


def test_a_reason_to_stop_is_heard_of_after_a_step_which_is_committed(bench: Bench) -> None:
    stage = CountingStage(3)
    outcome = bench.run(stage, commit_interval_s=60, reason_to_stop=lambda _: Reason.TIME_LIMIT)
    assert outcome is Outcome.MORE
    assert bench.events == [("started", 0), ("committed", 1), ("stopped", 1)]
    assert read_attempts(bench.paths)[-1].events[-1]["reason"] == "deadline"


def test_every_start_does_a_step_whatever_the_reason_to_stop(bench: Bench) -> None:
    for _ in range(2):
        assert (
            bench.run(CountingStage(3), reason_to_stop=lambda _: Reason.TIME_LIMIT) is Outcome.MORE
        )
    assert bench.run(CountingStage(3), reason_to_stop=lambda _: Reason.TIME_LIMIT) is Outcome.DONE
    assert bench.events[-1] == ("finished", 3)


def test_whoever_may_stop_a_run_is_told_what_the_next_step_and_its_commit_will_take(
    bench: Bench,
) -> None:
    seconds_of_commits = iter((100, 40, 40))

    class SlowDisk(CountingStage):
        def save(self, state: Chain, directory: Path) -> None:
            bench.clock.now += next(seconds_of_commits)
            super().save(state, directory)

    def batch(step: int) -> None:
        bench.clock.now += 10 * (4 - step)

    told = []
    bench.run(SlowDisk(3, batch), reason_to_stop=lambda seconds: told.append(seconds))
    assert told == [90, 190, 190]


def test_an_abandoned_step_tells_how_long_it_had_been_under_way(bench: Bench) -> None:
    def batch(step: int) -> None:
        bench.clock.now += 20
        _stop_at(2)(step)

    bench.run(CountingStage(3, batch))
    [abandoned] = [e for e in read_attempts(bench.paths)[-1].events if e["event"] == "abandoned"]
    assert abandoned["seconds"] == 20


def test_an_abandoned_step_is_repeated_with_the_same_result(bench: Bench) -> None:
    def batch(step: int) -> None:
        bench.clock.now += 20
        _stop_at(2)(step)

    assert bench.run(CountingStage(3, batch)) is Outcome.MORE
    assert bench.events[-1] == ("abandoned", 2)
    assert bench.run(CountingStage(3)) is Outcome.DONE
    assert bench.state(3) == expected_state(3)


def test_a_run_in_parts_ends_like_a_run_at_once(bench: Bench) -> None:
    for step in range(1, 5):
        assert bench.run(CountingStage(5, _stop_at(step))) is Outcome.MORE
    assert bench.run(CountingStage(5)) is Outcome.DONE
    assert bench.state(5) == expected_state(5)


def test_a_finished_run_is_done_at_once_and_nothing_is_written(bench: Bench) -> None:
    bench.run(CountingStage(2))
    before = {path: path.stat() for path in bench.paths.directory.rglob("*") if path.is_file()}
    assert bench.run(CountingStage(2)) is Outcome.DONE
    after = {path: path.stat() for path in bench.paths.directory.rglob("*") if path.is_file()}
    assert {p: s.st_mtime_ns for p, s in after.items()} == {
        p: s.st_mtime_ns for p, s in before.items()
    }


def test_a_run_goes_on_from_the_commit_before_a_damaged_one(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.run(CountingStage(3))
    (bench.paths.stage("search").commit(3) / MANIFEST).unlink()
    assert bench.run(CountingStage(3)) is Outcome.DONE
    assert bench.state(3) == expected_state(3)
    assert len(caplog.messages) == 1
    assert [event for event, _ in bench.events].count("damaged") == 1
    assert ("resumed", 2) in bench.events


def test_a_run_whose_commits_are_all_damaged_does_not_begin_anew(bench: Bench) -> None:
    bench.run(CountingStage(3))
    for step in (2, 3):
        (bench.paths.stage("search").commit(step) / MANIFEST).unlink()
    with pytest.raises(DamagedError):
        bench.run(CountingStage(3))


def test_a_state_that_cannot_be_loaded_for_the_disks_sake_is_a_storage_error(bench: Bench) -> None:
    class Unreadable(CountingStage):
        def load(self, directory: Path) -> Chain:
            raise PermissionError(directory)

    bench.run(CountingStage(2))
    with pytest.raises(StorageError, match="cannot read"):
        bench.run(Unreadable(3))


def test_a_superseded_run_stops_at_its_next_commit(bench: Bench) -> None:
    def batch(step: int) -> None:
        if step == 2:
            acquire(bench.paths, this_process(), take_over=True)

    with pytest.raises(SupersededError):
        bench.run(CountingStage(5, batch))
    assert bench.paths.stage("search").steps() == [1]
