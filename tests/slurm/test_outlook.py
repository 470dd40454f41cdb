import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

from fake_runs import Retrained, make_run

from emtnas_hpc.checkpoint.ownership import this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.settings.loading import load_experiment
from emtnas_hpc.slurm.plan import Forecast, Measurements, read_measurements
from emtnas_hpc.slurm.profile import Profile
from emtnas_hpc.slurm.snapshot import measure_pace, measure_stages, read_snapshot

SHORT = ("search.generations=3", "retraining.normal_cells=[2]", "retraining.epochs=2")
FIRST, SECOND = (f"retraining/cifar10{end}-n2-long+epochs=2" for end in ("", "0"))


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """A searched run; the first retraining has one of two epochs behind it, the second none."""
    retrained = Retrained(epochs=1, recipe="long+epochs=2")
    directory = make_run(tmp_path, "cifar", *SHORT, retrained=retrained)
    shutil.rmtree(directory / SECOND)
    return directory


def _outlook(directory: Path, **changes: object) -> tuple[Measurements, Forecast]:
    experiment = load_experiment("cifar", SHORT, registry=REGISTRY)
    sight = read_snapshot(directory, this_process(), 0.0)
    known = read_measurements(experiment, Profile(partition="gpu", time=600), None, {}, [sight])
    known = replace(known, **changes)  # type: ignore[arg-type]
    return known, known.outlook(sight)


def test_what_was_measured_goes_before_a_guess_and_the_rest_is_guessed(half: Path) -> None:
    _, outlook = _outlook(half, guessed={FIRST: 1e9, SECOND: 500.0})
    # One epoch of ten seconds is left of the first, two of the second.
    assert (outlook.guessed, outlook.guessed_s) == ((SECOND,), 1000.0)
    assert outlook.plan.seconds == pytest.approx(1010.0)


def test_only_stages_that_are_not_finished_take_more_of_the_disk(half: Path) -> None:
    known, outlook = _outlook(half)
    first, second = (known.commits[name] for name in (FIRST, SECOND))
    assert (first.is_guess, second.is_guess) == (False, True)
    # Two are kept, one of the first is there, and one is on its way.
    expected = first.value + 2 * second.value + max(first.value, second.value)
    assert outlook.disk_bytes == pytest.approx(expected)


def test_a_seed_that_was_slow_does_not_change_what_is_expected_of_the_others(half: Path) -> None:
    sight = read_snapshot(half, this_process(), 0.0)
    assert sight.progress is not None
    sights = [
        replace(
            sight,
            paths=RunPaths(half.with_name(f"seed-{seed}")),
            progress=replace(sight.progress, seconds=seconds),
            stages=tuple(replace(stage, seconds=seconds) for stage in sight.stages),
        )
        for seed, seconds in enumerate((1.0, 2.0, 60.0))
    ]
    assert measure_pace(sights, sight.progress.experiment_signature).value == 2.0
    assert measure_stages(sights)[FIRST] == 2.0
