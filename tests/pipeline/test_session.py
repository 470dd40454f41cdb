import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from whole_runs import LABEL, RETRAININGS, TINY, Told, run, stopping_at

from emtnas_hpc.checkpoint.ownership import acquire, this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import DamagedError, DataError, InputError, OwnedError
from emtnas_hpc.pipeline import (
    common_retrainings,
    compare_retrainings,
    finished_history,
    incumbent,
    pending_stages,
    retrain_specs,
    run_stages,
)
from emtnas_hpc.progress import stages_of
from emtnas_hpc.retraining.record import Retraining, read_retraining
from emtnas_hpc.runner.attempts import read_attempts
from emtnas_hpc.runner.context import Reason, ReasonToStop, RunContext
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.runner.signals import StopRequest
from emtnas_hpc.search.spec import RunSpec
from emtnas_hpc.search.verify import compare_newest
from emtnas_hpc.settings.experiment import TaskSettings
from emtnas_hpc.settings.names import read_stored

pytestmark = pytest.mark.slow

Copy = Callable[..., RunSpec]


@pytest.fixture
def copy(whole: RunPaths, tmp_path: Path, request_in: Callable[..., RunSpec]) -> Copy:
    """The request of a copy of the run that came to its end, with sections changed."""

    def make(**sections: dict[str, Any]) -> RunSpec:
        request = request_in(tmp_path / "copy/seed-0", **sections)
        shutil.copytree(whole.directory, request.paths.directory)
        return request

    return make


def record(paths: RunPaths, name: str) -> Retraining:
    stage = paths.stage(f"retraining/{name}")
    return read_retraining(stage.commit(stage.steps()[-1]) / "record.json")


def remove(paths: RunPaths, name: str) -> None:
    shutil.rmtree(paths.stage(f"retraining/{name}").directory)


def test_a_run_is_its_search_and_then_every_task_at_every_depth(whole: RunPaths) -> None:
    [attempt] = read_attempts(whole)
    committed = [(e["stage"], e["step"]) for e in attempt.events if e["event"] == "committed"]
    stages = ["search", *(f"retraining/{name}" for name in RETRAININGS)]
    assert committed == [(stage, step) for stage in stages for step in (1, 2)]


def test_what_was_retrained_is_what_the_search_found(whole: RunPaths) -> None:
    history = finished_history(whole)
    for task, name in (("digits", RETRAININGS[1]), ("again", RETRAININGS[3])):
        found, header = (
            history.incumbent(("digits", "again").index(task)),
            record(whole, name).header,
        )
        assert (header.found_on, header.individual) == (task, found.id)
        assert header.search_signature == history.header.signature
        assert header.shape.n_normal == 2
        assert record(whole, name).finished


@pytest.mark.parametrize(
    ("stage", "step", "missing"),
    [
        ("search", 1, None),
        ("search", 2, ["search/000002", f"retraining/{RETRAININGS[0]}"]),
        (RETRAININGS[0], 1, [f"retraining/{RETRAININGS[0]}"]),
        (RETRAININGS[0], 2, [f"retraining/{name}" for name in RETRAININGS[:2]]),
        (RETRAININGS[3], 1, [f"retraining/{RETRAININGS[3]}"]),
    ],
    ids=["in-search", "after-search", "in-first", "after-first", "in-last"],
)
def test_a_run_that_is_stopped_anywhere_ends_in_the_bits_of_one_that_is_not(
    whole: RunPaths,
    tmp_path: Path,
    request_in: Callable[..., RunSpec],
    stage: str,
    step: int,
    missing: list[str] | None,
) -> None:
    """The first does all that there is; the others begin with what the whole one has else."""
    request = request_in(tmp_path / "seed-0")
    if missing:
        shutil.copytree(whole.directory, request.paths.directory)
    for name in missing or ():
        shutil.rmtree(request.paths.directory / name)
    assert run(request, stopping_at(stage, step)) is Outcome.MORE
    told = Told()
    assert run(request, told) is Outcome.DONE
    assert told.steps
    assert (stage, step) not in told.steps
    assert compare_newest(whole, request.paths).difference is None
    compared = list(compare_retrainings(whole, request.paths))
    assert [name for name, _comparison in compared] == sorted(
        f"retraining/{name}" for name in RETRAININGS
    )
    assert {(c.step, c.difference) for _name, c in compared} == {(2, None)}


def test_a_run_that_is_finished_is_left_as_it_is(copy: Copy) -> None:
    request, told = copy(), Told()
    before = {path: path.stat().st_mtime_ns for path in request.paths.directory.rglob("*")}
    assert run(request, told) is Outcome.DONE
    assert told.steps == []
    after = {path: path.stat().st_mtime_ns for path in request.paths.directory.rglob("*")}
    assert after == before


def test_other_retraining_settings_make_other_folders_and_touch_nothing_else(copy: Copy) -> None:
    request, told = copy(retraining={"normal_cells": [1], "cutout": 2}), Told()
    assert run(request, told) is Outcome.DONE
    label = "quick+channels=2+epochs=1+batch_size=256+cutout=2+part_batch-"
    assert [stage[: len(stage) - 8] for stage in told.stages] == [
        f"digits-n1-{label}",
        f"again-n1-{label}",
    ]
    stored = read_stored(request.paths)
    assert stored.experiment.retraining == request.experiment.retraining
    assert stored.signatures["search"] == stored.identity.signature
    assert len(request.paths.stages()) == 1 + 4 + 2


@pytest.mark.parametrize("begun", [False, True], ids=["new", "begun"])
def test_a_retraining_answers_for_its_own_conditions_not_for_those_of_the_search(
    copy: Copy, begun: bool
) -> None:
    name = RETRAININGS[1]
    request, told = copy(), Told()
    [attempt] = read_attempts(request.paths)
    text = attempt.path.read_text()
    older = text.replace(f'"torch": "{attempt.provenance["torch"]}"', '"torch": "1.0"')
    assert older != text
    if begun:
        shutil.rmtree(request.paths.stage(f"retraining/{name}").commit(2))
    else:
        remove(request.paths, name)
        older = "".join(line for line in older.splitlines(keepends=True) if name not in line)
    attempt.path.write_text(older)
    assert run(request, told) is Outcome.DONE
    assert told.stages == [name]
    said = [line for line in told.said if "equal bits are not promised" in line]
    assert len(said) == begun
    assert all("torch 1.0 -> " in line for line in said)


def test_a_run_remembers_which_retrainings_it_was_last_asked_for_and_how_it_is_carried_out(
    tmp_path: Path, request_in: Callable[..., RunSpec]
) -> None:
    first = request_in(tmp_path / "seed-0", retraining={"normal_cells": [3]})
    assert run(first, stopping_at("search", 1)) is Outcome.MORE
    assert read_stored(first.paths).experiment == first.experiment
    told = Told()
    changed = {"retraining": {"normal_cells": [1]}, "run": {"keep_commits": 3}}
    last = request_in(tmp_path / "seed-0", **changed)
    assert run(last, told) is Outcome.DONE
    assert told.stages == ["search", f"digits-n1-{LABEL}", f"again-n1-{LABEL}"]
    assert read_stored(last.paths).experiment == last.experiment


def test_a_run_that_has_all_that_is_asked_for_now_asks_for_no_more(
    copy: Copy, request_in: Callable[..., RunSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    more = copy(retraining={"normal_cells": [1, 2, 3]})
    assert run(more, stopping_at(f"digits-n3-{LABEL}", 1)) is Outcome.MORE
    assert pending_stages(more.paths, read_stored(more.paths).experiment, 0)
    less = request_in(more.paths.directory, retraining={"normal_cells": [1]})
    less = replace(less, data_dir=less.data_dir / "gone")
    monkeypatch.setattr("emtnas_hpc.search.session.prepare_device", pytest.fail)  # imports torch
    assert run(less, Told()) is Outcome.DONE
    stored = read_stored(more.paths)
    assert stored.experiment == less.experiment
    assert pending_stages(more.paths, stored.experiment, 0) == ()
    assert not more.paths.owner.exists()


def test_who_asks_a_run_for_less_that_somebody_carries_on_is_refused(copy: Copy) -> None:
    request = copy(retraining={"normal_cells": [1]})
    before = request.paths.experiment.read_bytes()
    lease = acquire(request.paths, this_process())
    with pytest.raises(OwnedError, match="is owned by"):
        run(request, Told())
    lease.release()
    assert request.paths.experiment.read_bytes() == before


def test_a_retraining_of_its_own_changes_nothing_that_the_run_is_asked_for(copy: Copy) -> None:
    request, told = copy(retraining={"normal_cells": [2]}), Told()
    remove(request.paths, RETRAININGS[0])
    before = request.paths.experiment.read_bytes()
    (first, *_rest) = retrain_specs(request.paths, read_stored(request.paths).experiment)
    with StopRequest() as stop:
        done = run_stages(request, RunContext(stop, told.callbacks), [first])
    assert (done, told.stages) == (Outcome.DONE, [RETRAININGS[0]])
    assert request.paths.experiment.read_bytes() == before


def test_a_search_that_is_over_needs_no_data_for_a_retraining_on_another_set(copy: Copy) -> None:
    request, told = copy(), Told()
    history = finished_history(request.paths)
    architecture, origin = incumbent(history, "again")
    (first, *_rest) = retrain_specs(request.paths, request.experiment)
    other = {"other": TaskSettings(source="package:digits")}
    elsewhere = replace(
        first,
        experiment=first.experiment.model_copy(update={"task": other}),
        architecture=architecture,
        origin=origin,
        task="other",
    )
    gone = {
        name: task.model_copy(update={"source": "npz:gone.npz"})
        for name, task in request.experiment.task.items()
    }
    experiment = request.experiment.model_copy(update={"task": gone})
    request = replace(request, experiment=experiment)
    with StopRequest() as stop:
        done = run_stages(request, RunContext(stop, told.callbacks), [elsewhere])
    assert done is Outcome.DONE
    assert told.stages == [f"again-on-other-n1-{LABEL}"]
    assert record(request.paths, told.stages[0]).header.is_transfer
    assert run(request, Told()) is Outcome.DONE


def test_a_retraining_without_its_data_is_refused_before_anything_is_written(copy: Copy) -> None:
    request = copy()
    remove(request.paths, RETRAININGS[1])
    gone = request.experiment.task | {"digits": TaskSettings(source="npz:gone.npz", padding=1)}
    experiment = request.experiment.model_copy(update={"task": gone})
    with pytest.raises(DataError, match=r"gone\.npz"):
        run(replace(request, experiment=experiment), Told())


def test_the_stages_that_are_left_are_told_by_name(
    copy: Copy, tmp_path: Path, request_in: Callable[..., RunSpec]
) -> None:
    fresh = request_in(tmp_path / "fresh")
    stages = ("search", *(f"retraining/{name}" for name in RETRAININGS))
    assert stages_of(fresh.experiment) == stages
    assert pending_stages(fresh.paths, fresh.experiment, 0) == stages
    request = copy()
    assert pending_stages(request.paths, request.experiment, 0) == ()
    remove(request.paths, RETRAININGS[2])
    assert pending_stages(request.paths, request.experiment, 0) == (f"retraining/{RETRAININGS[2]}",)
    without = request.experiment.retraining.model_copy(update={"normal_cells": ()})
    experiment = request.experiment.model_copy(update={"retraining": without})
    assert stages_of(experiment) == ("search",)
    assert pending_stages(request.paths, experiment, 0) == ()


def only_after(stage: str, step: int, told: Told) -> ReasonToStop:
    """There is no time left from the end of a step on."""

    def reason(_next_s: float) -> Reason | None:
        return Reason.TIME_LIMIT if (stage, step) in told.steps else None

    return reason


@pytest.mark.parametrize("ended", ["search", RETRAININGS[0]])
def test_a_stage_that_there_is_no_time_left_for_is_not_begun(
    tmp_path: Path, request_in: Callable[..., RunSpec], ended: str
) -> None:
    request, told = request_in(tmp_path / "seed-0"), Told()
    assert run(request, told, reason_to_stop=only_after(ended, 2, told)) is Outcome.MORE
    assert told.steps[-1] == (ended, 2)
    last = read_attempts(request.paths)[-1].events[-1]
    assert (last["event"], last["reason"]) == ("stopped", "deadline")


def test_every_start_makes_a_step_however_little_time_there_is(copy: Copy) -> None:
    """Else a job whose limit is too short would be requeued for ever."""
    request = copy()
    remove(request.paths, RETRAININGS[0])
    for outcome, step in ((Outcome.MORE, 1), (Outcome.DONE, 2)):
        told = Told()
        assert run(request, told, reason_to_stop=lambda _next_s: Reason.TIME_LIMIT) is outcome
        assert told.steps == [(RETRAININGS[0], step)]


def test_a_run_that_is_called_off_begins_no_stage(copy: Copy) -> None:
    request, told = copy(), Told()
    remove(request.paths, RETRAININGS[0])
    assert run(request, told, reason_to_stop=lambda _next_s: Reason.CANCELLED) is Outcome.MORE
    assert told.steps == []
    assert read_attempts(request.paths)[-1].events[-1]["reason"] == "cancelled"


def test_what_an_unfinished_search_has_found_so_far_is_not_retrained(
    tmp_path: Path, request_in: Callable[..., RunSpec]
) -> None:
    request = request_in(tmp_path / "seed-0")
    with pytest.raises(InputError, match="the search has reached generation 0, and what it"):
        finished_history(request.paths)
    run(request, stopping_at("search", 1))
    with pytest.raises(InputError, match="the search has reached generation 1 of 2, and what it"):
        retrain_specs(request.paths, request.experiment)


def test_a_search_whose_history_is_damaged_is_named(copy: Copy) -> None:
    request = copy()
    for state in request.paths.directory.glob("search/*/state.h5"):
        state.write_bytes(b"noise")
    with pytest.raises(DamagedError, match=r"no commit has a good state\.h5"):
        finished_history(request.paths)


def test_a_task_that_was_not_searched_for_has_no_incumbent(whole: RunPaths) -> None:
    with pytest.raises(InputError, match="task is 'other', expected one of digits, again"):
        incumbent(finished_history(whole), "other")


def test_a_difference_between_two_retrainings_is_named(whole: RunPaths, copy: Copy) -> None:
    request = copy()
    name = f"retraining/{RETRAININGS[0]}"
    file = request.paths.stage(name).commit(2) / "record.json"
    changed = file.read_text().replace('"seed": 0', '"seed": 1')
    file.write_text(changed)
    with pytest.raises(DamagedError, match=r"record\.json"):
        list(compare_retrainings(whole, request.paths))
    remove(request.paths, RETRAININGS[0])
    assert len(common_retrainings(whole, request.paths)) == 3


def test_a_search_may_be_all_that_a_run_is(
    tmp_path: Path, request_in: Callable[..., RunSpec]
) -> None:
    request, told = request_in(tmp_path / "seed-0", retraining={"normal_cells": []}), Told()
    assert run(request, told) is Outcome.DONE
    assert told.stages == ["search"]
    assert TINY["retraining"]["normal_cells"] == [1, 2]
