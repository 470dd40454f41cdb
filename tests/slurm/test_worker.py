import dataclasses
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stand_ins import StandIns, leave_owner, queue_line, record_job

from emtnas_hpc.checkpoint.ownership import acquire, read_owner, this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.errors import (
    EmtnasError,
    InputError,
    OwnedError,
    SchedulerError,
    StorageError,
    SupersededError,
)
from emtnas_hpc.pipeline import run_stages
from emtnas_hpc.runner.attempts import AttemptRecord, read_attempts
from emtnas_hpc.runner.context import Progress, RunContext
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.runner.signals import StopRequest
from emtnas_hpc.search.run_dir import plan_search, store_experiment
from emtnas_hpc.search.spec import RunSpec
from emtnas_hpc.search.verify import compare_newest
from emtnas_hpc.settings.loading import build_experiment
from emtnas_hpc.slurm import worker
from emtnas_hpc.slurm.job import SeedJob
from emtnas_hpc.slurm.job_files import JobSpec, write_job_spec
from emtnas_hpc.slurm.profile import Profile

pytestmark = pytest.mark.slow

TINY = {
    "name": "tiny",
    "tasks": ["digits"],
    "search": {"generations": 3, "population": 3},
    "supernet": {"channels": 4},
    "training": {"batch_size": 8, "batches": 2},
    "evaluation": {"batch_size": 40, "recalibration_images": 20},
    "run": {"commit_interval_s": 0.0},
}
HOUR_S = 3600.0
Act = Callable[[int], None]


class Launched:
    """A run that was launched, in the environment of its job 7, whose standby is job 8."""

    def __init__(self, folder: Path, data_dir: Path, slurm: StandIns, patch: pytest.MonkeyPatch):
        self.run = RunPaths(folder / "tiny" / "seed-0")
        self.search = RunSpec(build_experiment(TINY, REGISTRY), 0, self.run, data_dir, "cpu")
        self.slurm = slurm
        self._patch = patch
        lease = acquire(self.run, this_process())
        store_experiment(self.run, plan_search(self.search), lease)
        lease.release()
        request = JobSpec(
            profile=Profile(), data=str(data_dir), device="cpu", prepare_command="prepare it"
        )
        write_job_spec(self.run.jobs, request, "launch")
        self.me, self.standby = record_job(self.run, "7"), record_job(self.run, "8", "7")
        slurm.queue(queue_line(self.me, "RUNNING"), queue_line(self.standby, "PENDING"))
        self.environment(SLURM_JOB_ID="7", SLURM_JOB_NAME=self.me.name)
        self.ends_in(HOUR_S)

    def environment(self, **values: str) -> None:
        for name, value in values.items():
            self._patch.setenv(name, value)

    def ends_in(self, seconds: float) -> None:
        self.environment(SLURM_JOB_END_TIME=str(int(time.time() + seconds)))

    def at_every_step(self, act: Act) -> None:
        def progress(progress: Progress) -> None:
            act(progress.step)

        self._patch.setattr(worker, "print_progress", progress)

    def start(self) -> None:
        SeedJob(str(self.run.directory))()

    def start_with_work_left(self) -> None:
        """Without submitit a requeue is refused."""
        with pytest.raises(SchedulerError, match="could not be requeued"):
            self.start()

    @property
    def attempts(self) -> list[AttemptRecord]:
        return read_attempts(self.run)

    def events(self) -> list[str]:
        return [event["event"] for event in self.attempts[-1].events]

    def last(self, kind: str) -> dict[str, object]:
        return [event for event in self.attempts[-1].events if event["event"] == kind][-1]

    @property
    def standby_waits(self) -> bool:
        return "scancel 8" not in self.slurm.calls


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture
def launched(
    tmp_path: Path, data_dir: Path, stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> Launched:
    return Launched(tmp_path / "runs", data_dir, stand_ins, monkeypatch)


@pytest.fixture(autouse=True)
def _no_signal_is_left_behind() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR2)
    yield
    assert signal.getsignal(signal.SIGUSR2) is before


def _send(number: signal.Signals) -> Act:
    return lambda step: os.kill(os.getpid(), number) if step == 1 else None


def test_a_job_carries_a_seed_to_the_end_of_the_foreground_and_cancels_its_standby_job(
    launched: Launched, tmp_path: Path
) -> None:
    launched.start()
    [attempt] = launched.attempts
    assert launched.events() == ["started", *["committed"] * 3, "finished"]
    assert not launched.standby_waits
    assert (attempt.provenance["job_id"], attempt.provenance["restart_count"]) == ("7", 0)
    assert attempt.provenance["lead_time_s"] == 120
    assert 0 < attempt.provenance["time_left_s"] <= HOUR_S
    assert "torch" in attempt.provenance
    assert attempt.has_owned
    alone = dataclasses.replace(launched.search, paths=RunPaths(tmp_path / "alone"))
    with StopRequest() as stop:
        assert run_stages(alone, RunContext(stop)) is Outcome.DONE
    assert compare_newest(launched.run, alone.paths).difference is None


def test_a_limit_that_the_environment_tells_is_in_no_doubt_without_squeue(
    launched: Launched, capfd: pytest.CaptureFixture[str]
) -> None:
    launched.slurm.write("squeue", "exit 1")
    launched.start()
    assert "time limit" not in capfd.readouterr().out
    assert launched.attempts[-1].provenance["time_left_s"] is not None


def test_a_job_that_starts_after_the_end_leaves_at_once(launched: Launched) -> None:
    launched.start()
    launched.start()
    assert launched.events() == ["left"]
    assert launched.last("left")["reason"] == "finished"
    assert not launched.attempts[-1].has_owned


@pytest.mark.parametrize("name", ["cancelled", "failed"])
def test_a_job_that_finds_a_mark_leaves_at_once_and_cancels_its_standby_job(
    launched: Launched, name: str
) -> None:
    (launched.run.directory / name).write_text("by me\n")
    launched.start()
    assert launched.events() == ["left"]
    assert launched.last("left")["reason"] == f"the run is marked as {name}: by me"
    assert not launched.standby_waits


def test_usr2_stops_a_job_which_releases_its_run_and_asks_to_be_requeued(
    launched: Launched,
) -> None:
    launched.at_every_step(_send(signal.SIGUSR2))
    launched.start_with_work_left()
    assert launched.events() == ["started", "signal", "committed", "stopped"]
    left = launched.last("signal")["seconds_left"]
    assert isinstance(left, float)
    assert 0 < left < HOUR_S
    assert read_owner(launched.run.owner) is None
    assert launched.standby_waits


def test_term_is_recorded_and_waited_out(launched: Launched) -> None:
    launched.at_every_step(_send(signal.SIGTERM))
    launched.start()
    assert launched.last("signal")["signal"] == "SIGTERM"
    assert launched.events()[-1] == "finished"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_ends_a_job_of_a_cancelled_run_for_good(
    launched: Launched, number: signal.Signals
) -> None:
    def cancel(step: int) -> None:
        launched.run.cancelled.write_text("by me\n")
        _send(number)(step)

    launched.at_every_step(cancel)
    launched.start()
    assert launched.events()[-1] == "stopped"
    assert not launched.standby_waits


def test_a_cancelled_run_stops_at_the_end_of_a_step_without_any_signal(launched: Launched) -> None:
    launched.at_every_step(lambda _: launched.run.cancelled.write_text("by me\n"))
    launched.start()
    assert launched.last("stopped")["reason"] == "cancelled"
    assert not launched.standby_waits


def test_a_job_does_one_step_and_then_none_that_would_not_fit_before_its_limit(
    launched: Launched,
) -> None:
    launched.ends_in(60)
    launched.start_with_work_left()
    assert launched.events() == ["started", "committed", "stopped"]
    assert launched.last("stopped")["reason"] == "deadline"


def test_a_step_may_go_on_for_the_lead_time_less_what_leaving_takes(
    launched: Launched, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[RunContext] = []

    def look(*arguments: object) -> Outcome:
        seen.append(arguments[-1])  # type: ignore[arg-type]
        return Outcome.DONE

    monkeypatch.setattr(worker, "run_stages", look)
    launched.start()
    assert seen[0].grace_s == 90


def test_the_owner_that_a_job_waited_for_is_superseded(launched: Launched) -> None:
    leave_owner(launched.run, job_id="5", host="node7")
    launched.slurm.queue("5|name|COMPLETING|None|0|N/A|(null)|node7|")
    launched.environment(SLURM_JOB_DEPENDENCY="afterany:5")
    launched.start()
    assert "took_over" in launched.events()


def test_an_owner_whose_job_is_in_the_queue_is_left_alone_and_that_is_no_strike(
    launched: Launched,
) -> None:
    leave_owner(launched.run, job_id="5", host="node7")
    queue = (
        "5|name|SUSPENDED|None|0|N/A|(null)|node7|",
        queue_line(launched.standby, "PENDING"),
    )
    for _ in range(4):
        launched.slurm.queue(*queue)
        launched.start()
        assert launched.events() == ["left"]
    assert "is owned by process" in str(launched.last("left")["reason"])
    assert not launched.run.failed.exists()
    assert not launched.standby_waits
    assert not any(call.startswith("sbatch") for call in launched.slurm.calls)
    owner = read_owner(launched.run.owner)
    assert owner is not None
    assert owner.host == "node7"


def test_a_job_that_was_superseded_leaves_mark_and_standby_job_to_the_new_owner(
    launched: Launched,
) -> None:
    def take_over(_step: int) -> None:
        acquire(launched.run, this_process(), take_over=True)

    launched.at_every_step(take_over)
    for _ in range(4):
        with pytest.raises(SupersededError):
            launched.start()
        launched.run.owner.unlink()
    assert launched.events()[-1] == "superseded"
    assert not launched.run.failed.exists()
    assert launched.standby_waits


def test_a_mark_that_the_disk_refuses_does_not_hide_the_error(
    launched: Launched, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break(launched)
    for _ in range(2):
        with pytest.raises(EmtnasError, match="is damaged"):
            launched.start()

    def refuse(path: Path, _reason: str, _token: str) -> None:
        raise StorageError(f"cannot write {path}")

    monkeypatch.setattr(worker, "write_flag", refuse)
    with pytest.raises(EmtnasError, match="is damaged"):
        launched.start()


def _break(launched: Launched) -> None:
    launched.run.stage("search").commit(1).mkdir(parents=True)


def test_the_third_start_that_ends_with_an_exception_marks_the_run_with_it(
    launched: Launched,
) -> None:
    _break(launched)
    for _ in range(2):
        with pytest.raises(EmtnasError, match="is damaged"):
            launched.start()
        assert not launched.run.failed.exists()
        assert launched.standby_waits
    with pytest.raises(EmtnasError, match="is damaged"):
        launched.start()
    assert launched.events()[-2:] == ["failed", "gave_up"]
    assert "DamagedError: every commit in" in launched.run.failed.read_text()
    assert not launched.standby_waits


def test_the_start_after_three_that_vanished_marks_the_run(launched: Launched) -> None:
    from emtnas_hpc.runner.attempts import Attempt

    for token in ("a", "b", "c"):
        Attempt(launched.run, token, {"job_id": token, "restart_count": 0}).close()
    with pytest.raises(EmtnasError, match="the run has failed: 3 starts in a row"):
        launched.start()
    assert "vanished without a signal" in launched.run.failed.read_text()
    assert not launched.standby_waits


def test_an_owner_record_that_cannot_be_understood_does_not_keep_a_hopeless_run_going(
    launched: Launched,
) -> None:
    launched.run.owner.write_text("noise")
    for _ in range(3):
        assert not launched.run.failed.exists()
        with pytest.raises(OwnedError, match="is not an owner record"):
            launched.start()
    assert launched.events() == ["failed", "gave_up"]
    assert "OwnedError: " in launched.run.failed.read_text()
    assert not launched.standby_waits


def test_a_run_that_was_given_up_and_is_taken_up_again_has_three_more_starts(
    launched: Launched,
) -> None:
    _break(launched)
    for _ in range(3):
        with pytest.raises(EmtnasError):
            launched.start()
    launched.run.failed.unlink()
    launched.run.stage("search").commit(1).rmdir()
    launched.start()
    assert launched.events()[-1] == "finished"


def test_a_run_that_was_never_launched_says_so_and_the_start_is_recorded(
    launched: Launched,
) -> None:
    launched.run.jobs.spec.unlink()
    with pytest.raises(InputError, match=r"request\.toml is missing: launch the run again"):
        launched.start()
    assert launched.events() == ["failed"]


def test_a_queue_that_cannot_be_asked_is_no_reason_not_to_search(launched: Launched) -> None:
    (launched.slurm.folder / "squeue").unlink()
    launched.start()
    assert launched.events()[-1] == "finished"
