from collections.abc import Callable
from dataclasses import replace

import pytest

from emtnas_hpc.checkpoint import ownership
from emtnas_hpc.checkpoint.ownership import WATCH_S, Lease, Owner, acquire, read_owner, this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import OwnedError, StorageError, SupersededError


class FakeClock:
    """Time that passes by sleeping only; `at` does something when a moment has come."""

    def __init__(self, at: dict[float, Callable[[], object]] | None = None) -> None:
        self.now = 0.0
        self._at = at or {}

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for moment in [m for m in self._at if m <= self.now]:
            self._at.pop(moment)()


@pytest.fixture
def elsewhere(paths: RunPaths) -> Owner:
    """An owner on another machine, with an attempt."""
    owner = replace(this_process(), host="node7", boot_id="other")
    paths.attempts.mkdir(parents=True)
    paths.owner.write_text(owner.to_text())
    paths.attempt(3, owner.token).write_text("{}\n")
    return owner


def _take(paths: RunPaths, time: FakeClock) -> Lease:
    return acquire(paths, this_process(), clock=time.clock, sleep=time.sleep)


def test_a_free_run_is_taken_and_its_directory_made(paths: RunPaths) -> None:
    me = this_process()
    claim = acquire(paths, me)
    assert read_owner(paths.owner) == me
    assert claim.superseded is None
    assert [path.name for path in paths.directory.iterdir()] == ["owner"]


def test_a_living_owner_is_named_and_left_alone(paths: RunPaths, claim: Lease) -> None:
    with pytest.raises(OwnedError) as refusal:
        acquire(paths, this_process())
    message = str(refusal.value)
    for part in (claim.me.host, str(claim.me.pid), claim.me.since, "--take-over"):
        assert part in message
    assert "\n" not in message
    claim.check()


def test_a_dead_owner_is_superseded(paths: RunPaths, claim: Lease) -> None:
    dead = replace(claim.me, started=claim.me.started + 1)
    paths.owner.write_text(dead.to_text())
    assert acquire(paths, this_process()).superseded == dead


def test_take_over_takes_the_run_from_a_living_owner(paths: RunPaths, claim: Lease) -> None:
    second = acquire(paths, this_process(), take_over=True)
    second.check()
    with pytest.raises(SupersededError, match="taken over by process"):
        claim.check()


def test_a_record_that_makes_no_sense_needs_take_over(paths: RunPaths, claim: Lease) -> None:
    paths.owner.write_text("{")
    with pytest.raises(SupersededError, match="no record"):
        claim.check()
    with pytest.raises(OwnedError):
        acquire(paths, this_process())
    acquire(paths, this_process(), take_over=True).check()


def test_a_removed_record_means_that_the_run_is_not_ours(paths: RunPaths, claim: Lease) -> None:
    paths.owner.unlink()
    with pytest.raises(SupersededError):
        claim.check()


def test_a_silent_owner_elsewhere_is_watched_and_then_superseded(
    paths: RunPaths, elsewhere: Owner, caplog: pytest.LogCaptureFixture
) -> None:
    time = FakeClock()
    assert _take(paths, time).superseded == elsewhere
    assert time.now == WATCH_S
    [said] = caplog.messages
    assert "node7" in said


def test_an_owner_elsewhere_without_an_attempt_is_watched_all_the_same(
    paths: RunPaths, elsewhere: Owner
) -> None:
    paths.attempt(3, elsewhere.token).unlink()
    time = FakeClock()
    _take(paths, time)
    assert time.now == WATCH_S


def test_a_heartbeat_while_it_is_watched_keeps_the_owner_its_run(
    paths: RunPaths, elsewhere: Owner
) -> None:
    attempt = paths.attempt(3, elsewhere.token)
    time = FakeClock({100: lambda: attempt.write_text('{"event": "committed"}\n')})
    with pytest.raises(OwnedError, match="node7"):
        _take(paths, time)
    assert time.now == 100
    assert read_owner(paths.owner) == elsewhere


def test_the_heartbeat_of_another_attempt_is_no_sign_of_life(
    paths: RunPaths, elsewhere: Owner
) -> None:
    other = paths.attempt(2, "0123")
    _take(paths, FakeClock({100: lambda: other.write_text("{}\n")})).check()


def test_an_owner_who_came_while_the_old_one_was_watched_is_judged_anew(
    paths: RunPaths, elsewhere: Owner
) -> None:
    newcomer = this_process()
    time = FakeClock({100: lambda: paths.owner.write_text(newcomer.to_text())})
    with pytest.raises(OwnedError, match=str(newcomer.pid)):
        _take(paths, time)


def test_an_owner_who_left_while_being_watched_leaves_the_run_free(
    paths: RunPaths, elsewhere: Owner
) -> None:
    assert _take(paths, FakeClock({100: paths.owner.unlink})).superseded is None


def test_the_queue_spares_the_watching(paths: RunPaths, elsewhere: Owner) -> None:
    paths.owner.write_text(replace(elsewhere, job_id="17").to_text())
    acquire(paths, this_process(), job_is_gone=lambda job: job == "17").check()


def test_of_two_simultaneous_starters_the_record_that_stands_wins(
    paths: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = this_process(), this_process()
    real = ownership.write_file

    def write_and_be_overtaken(path: object, text: str, token: str) -> None:
        real(paths.owner, text, token)
        if token == first.token:
            acquire(paths, second, take_over=True)

    monkeypatch.setattr(ownership, "write_file", write_and_be_overtaken)
    with pytest.raises(SupersededError):
        acquire(paths, first)
    assert read_owner(paths.owner) == second


def test_release_frees_the_run(paths: RunPaths, claim: Lease) -> None:
    claim.release()
    assert not paths.owner.exists()
    acquire(paths, this_process())


def test_release_leaves_the_record_of_a_new_owner(paths: RunPaths, claim: Lease) -> None:
    second = acquire(paths, this_process(), take_over=True)
    claim.release()
    second.check()


@pytest.mark.parametrize("text", [None, "{"], ids=["an owner", "a record that makes no sense"])
def test_release_gives_back_the_record_of_who_comes_at_that_very_moment(
    paths: RunPaths, claim: Lease, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    text = text or this_process().to_text()
    look = Lease.check

    def look_and_be_overtaken(self: Lease) -> None:
        look(self)
        paths.owner.write_text(text)

    monkeypatch.setattr(Lease, "check", look_and_be_overtaken)
    claim.release()
    assert paths.owner.read_text() == text
    assert [path.name for path in paths.directory.iterdir()] == ["owner"]


def test_a_run_directory_that_cannot_be_made_is_a_storage_error(paths: RunPaths) -> None:
    paths.directory.parent.mkdir(parents=True)
    paths.directory.touch()
    with pytest.raises(StorageError):
        acquire(paths, this_process())
