import pytest

from emtnas_hpc.slurm.estimate import (
    Measure,
    disk_need,
    estimate_seed,
    estimate_warnings,
    usable_seconds,
)
from emtnas_hpc.slurm.fit import fit_to_partition
from emtnas_hpc.slurm.profile import Layer, Profile, default_layer, stack
from emtnas_hpc.slurm.site import Partition

DAY = 86_400 - 120
HOUR = 3600 - 120


def test_a_search_that_fits_takes_one_job() -> None:
    plan = estimate_seed(0, 300, 120, DAY)
    assert (plan.left, plan.per_job, plan.n_jobs, plan.seconds) == (300, 719, 1, 36_000)


def test_a_search_that_does_not_fit_takes_as_many_jobs_as_hold_it() -> None:
    plan = estimate_seed(0, 300, 120, HOUR)
    assert (plan.per_job, plan.n_jobs) == (29, 11)


def test_only_what_is_left_is_planned() -> None:
    plan = estimate_seed(290, 300, 120, HOUR)
    assert (plan.left, plan.n_jobs, plan.seconds) == (10, 1, 1200)


def test_a_search_that_is_done_takes_no_job() -> None:
    plan = estimate_seed(300, 300, 120, DAY)
    assert (plan.left, plan.n_jobs, plan.seconds) == (0, 0, 0)


def test_of_generations_that_take_no_time_a_job_holds_all() -> None:
    assert estimate_seed(0, 300, 0.0, DAY).per_job == 300


def _warnings(pace: Measure, minutes: int, n_standby: int = 1) -> list[str]:
    profile = Profile(time=minutes, lead_time_s=120)
    plan = estimate_seed(0, 300, pace.value, usable_seconds(profile))
    return estimate_warnings([plan], pace, profile, n_standby=n_standby)


def test_a_generation_that_no_job_holds_is_warned_of() -> None:
    plan = estimate_seed(0, 300, 840, 600 - 120)
    assert (plan.per_job, plan.n_jobs) == (0, None)
    assert _warnings(Measure(840, "measured in seed-0"), 10) == [
        "one generation takes 14 min (measured in seed-0), but a limit of 10 min less 2 min of "
        "lead time holds only 8 min: ask for at least --time 16"
    ]


def test_the_two_durations_that_a_warning_compares_are_never_shown_as_equal() -> None:
    [line] = _warnings(Measure(845, "measured in seed-0"), 16)
    assert line.startswith("one generation takes 14 min 05 s (measured in seed-0), ")
    assert "holds only 14 min:" in line


@pytest.mark.parametrize("values", [{}, {"lead_time_s": 45}])
def test_the_limit_that_a_warning_asks_for_is_the_shortest_that_is_enough(
    values: dict[str, int],
) -> None:
    def fitted(minutes: int) -> Profile:
        layers = [default_layer(), Layer({"time": minutes, "gpus": 0, **values}, "typed")]
        gpu = [Partition("gpu", is_default=True)]
        return fit_to_partition(stack(layers), gpu, lambda _partition: []).profile

    for pace_s, minutes in ((200, 2), (300, 4), (330, 6), (500, 8), (840, 10), (840, 4)):
        pace = Measure(pace_s, "measured in seed-0")
        estimate = estimate_seed(0, 300, pace_s, usable_seconds(fitted(minutes)))
        [line] = estimate_warnings([estimate], pace, fitted(minutes), n_standby=1)
        least = int(line.rpartition(" ")[2])
        holds = [usable_seconds(fitted(n)) >= pace_s for n in (least - 1, least)]
        assert holds == [False, True], line


def test_a_chain_that_is_too_short_where_jobs_may_not_submit_is_warned_of() -> None:
    pace = Measure(120, "measured in seed-0")
    assert _warnings(pace, 60, n_standby=1) == []
    assert _warnings(pace, 60, n_standby=10) == []
    [line] = _warnings(pace, 60, n_standby=3)
    assert line.startswith("a seed takes 11 jobs, and 4 are queued")
    [line] = _warnings(Measure(120, "guess: of a card", guess=True), 60, n_standby=3)
    assert line.startswith("a seed takes 11 jobs (a guess), and 4 are queued")


def test_the_disk_will_hold_the_kept_commits_of_every_stage_and_one_that_is_on_its_way() -> None:
    assert disk_need([(46e6, 0)], 2) == 3 * 46e6
    assert disk_need([(46e6, 0), (11e6, 0), (15e6, 0)], 2) == 3 * 46e6 + 2 * 11e6 + 2 * 15e6


def test_commits_that_are_there_and_stages_that_are_finished_take_no_more_of_the_disk() -> None:
    assert disk_need([(46e6, 1), (11e6, 0)], 2) == 2 * 46e6 + 2 * 11e6
    assert disk_need([(46e6, 3)], 2) == 46e6
    assert disk_need([], 2) == 0


@pytest.mark.parametrize(
    ("generation", "retraining_s", "n_jobs"),
    [
        (0, 0.0, 3),  # 29 generations in each, but 13 in the last
        (0, 1000.0, 3),  # fits behind the last generation
        (0, 3000.0, 4),
        (0, 3000.0 + 3480, 5),
        (71, 10.0, 1),
        (71, 3481.0, 2),
        (71, 0.0, 0),
    ],
)
def test_retraining_begins_in_the_last_job_of_the_search(
    generation: int, retraining_s: float, n_jobs: int
) -> None:
    plan = estimate_seed(generation, 71, 120, HOUR, retraining_s=retraining_s)
    assert plan.n_jobs == n_jobs
    assert plan.seconds == (71 - generation) * 120 + retraining_s


def test_jobs_that_end_before_they_work_hold_no_retraining() -> None:
    assert estimate_seed(71, 71, 120, -60, retraining_s=10.0).n_jobs is None
