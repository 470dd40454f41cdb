import pytest

from emtnas_hpc.runner.attempts import AttemptRecord, changes_since, condition_changes


@pytest.fixture
def attempt(tmp_path):
    def make(*events, stage="search", **provenance):
        told = [{"event": event, "stage": stage} for event in events]
        return AttemptRecord(1, "token", tmp_path, provenance, told, 0.0)

    return make


def test_equal_conditions_are_no_news(attempt):
    attempts = [attempt("committed", torch="2.9", threads=1) for _ in range(3)]
    assert condition_changes(attempts) == ()
    assert changes_since(attempts, {"torch": "2.9", "threads": 1}) == ()


def test_every_change_between_two_starts_that_committed_is_named(attempt):
    attempts = [
        attempt("committed", torch="2.9", threads=1, host="a"),
        attempt("failed", torch="1.0", threads=1),
        attempt("resumed", "committed", torch="2.10", threads=2, host="b"),
        attempt("committed", torch="2.9", threads=2),
    ]
    assert condition_changes(attempts) == (
        "torch 2.9 -> 2.10",
        "threads 1 -> 2",
        "torch 2.10 -> 2.9",
    )
    assert changes_since(attempts, {"torch": "2.9", "threads": 1}) == ("threads 2 -> 1",)


def test_a_first_start_has_nothing_to_differ_from(attempt):
    assert changes_since([attempt("failed", torch="2.9")], {"torch": "2.10"}) == ()


def test_what_was_not_recorded_is_not_held_against_a_start(attempt):
    attempts = [attempt("committed"), attempt("committed", torch="2.9")]
    assert condition_changes(attempts) == ()


def test_a_retraining_on_another_device_is_not_held_against_the_search(attempt):
    attempts = [
        attempt("committed", device_model="A"),
        attempt("committed", stage="retraining/a", device_model="B"),
        attempt("committed", stage="retraining/a", device_model="C"),
    ]
    assert condition_changes(attempts) == ()
    assert condition_changes(attempts, "retraining/a") == ("device_model B -> C",)
    assert changes_since(attempts, {"device_model": "A"}) == ()
    assert changes_since(attempts, {"device_model": "D"}, "retraining/b") == ()


def test_a_start_on_cuda_that_does_not_say_so_computed_convolutions_with_cudnn(attempt):
    before = [attempt("committed", device="cuda", torch="2.9", threads=1)]
    now = {"device": "cuda", "precision": "tf32", "depthwise": "triton", "pointwise": "cudnn"}
    assert changes_since(before, now) == (
        "precision tf32 in convolutions only -> tf32",
        "depthwise cudnn -> triton",
    )


def test_on_a_cpu_nothing_is_assumed_of_a_start_that_does_not_say_it(attempt):
    before = [attempt("committed", device="cpu", torch="2.9", threads=1)]
    assert changes_since(before, {"device": "cpu", "precision": "tf32"}) == ()
