import dataclasses
import json
import os
import shutil
import signal
from contextlib import nullcontext

import pytest

from emtnas_hpc.checkpoint.manifest import read_manifest
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import DamagedError, DataError, EmtnasError, InputError, StartOverError
from emtnas_hpc.evolution.population import NOBODY
from emtnas_hpc.pipeline import run_stages
from emtnas_hpc.report.load import newest_history
from emtnas_hpc.runner.attempts import read_attempts
from emtnas_hpc.runner.context import Callbacks, RunContext, log_to
from emtnas_hpc.runner.loop import Outcome
from emtnas_hpc.runner.signals import StopRequest
from emtnas_hpc.search.environment import choose_device
from emtnas_hpc.search.spec import RunSpec
from emtnas_hpc.search.verify import compare_newest, repeat_newest
from emtnas_hpc.settings.names import dump_stored, read_stored
from emtnas_hpc.supernet.graphs import CaptureError

pytestmark = pytest.mark.slow


class Told:
    """Callbacks that remember, and may do something when a generation ends."""

    def __init__(self, on_step=lambda _step: None):
        self.steps, self.said = [], []
        self.callbacks = Callbacks(
            lambda progress: (self.steps.append(progress.step), on_step(progress.step)),
        )


@pytest.fixture
def request_of(experiment_of, data_dir, tmp_path):
    def make(name="run", seed=0, **sections):
        return RunSpec(
            experiment_of(**sections),
            seed,
            RunPaths(tmp_path / name),
            data_dir,
            "cpu",
        )

    return make


def search(request, told=None):
    told = told or Told()
    with log_to(told.said.append), StopRequest() as stop:
        return run_stages(request, RunContext(stop, told.callbacks))


def search_until(request, generation):
    """Searches in a process that gets a SIGTERM at the end of a generation."""

    def on_step(step):
        if step == generation:
            os.kill(os.getpid(), signal.SIGTERM)

    return search(request, Told(on_step))


def commits(request):
    return request.paths.stage("search").steps()


@pytest.fixture(scope="session")
def made(experiment_of, data_dir, once):
    """Run directories by name, made once: `whole`, and `stopped1` and `stopped2` by SIGTERM."""

    def fill(folder):
        for name, generation in (("whole", 3), ("stopped1", 1), ("stopped2", 2)):
            paths = RunPaths(folder / name)
            request = RunSpec(experiment_of(), 0, paths, data_dir, "cpu")
            outcome = search_until(request, generation)
            assert outcome is (Outcome.DONE if generation == 3 else Outcome.MORE)

    return once("searches", fill)


@pytest.fixture
def copy_of(made, request_of):
    """The request of a run directory that is a copy of one that was made."""

    def copy(name, **sections):
        request = request_of(name, **sections)
        shutil.copytree(made / name, request.paths.directory)
        return request

    return copy


def test_a_search_runs_to_its_end_and_says_what_it_is(request_of):
    request, told = request_of(), Told()
    assert search(request, told) is Outcome.DONE
    assert told.steps == [1, 2, 3]
    assert commits(request) == [2, 3]
    stored = read_stored(request.paths)
    assert stored.experiment == request.experiment
    assert stored.signatures["search"] == stored.identity.signature


def test_a_finished_search_is_left_as_it_is(copy_of):
    request, told = copy_of("whole"), Told()
    before = {path: path.stat().st_mtime_ns for path in request.paths.directory.rglob("0*/*")}
    assert search(request, told) is Outcome.DONE
    assert told.steps == []
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("name", ["stopped1", "stopped2"])
def test_a_stopped_search_ends_in_the_state_of_an_uninterrupted_one(copy_of, name):
    whole, stopped = copy_of("whole"), copy_of(name)
    assert search(stopped) is Outcome.DONE
    assert compare_newest(whole.paths, stopped.paths).difference is None


def test_a_random_search_trains_and_evaluates_as_much_and_stops_and_resumes_like_evolution(
    request_of, copy_of
):
    random = {"strategy": "random", "reevaluate": False}
    whole, stopped = (request_of(f"random{n}", search=random) for n in range(2))
    assert search(whole) is Outcome.DONE
    assert search_until(stopped, 1) is Outcome.MORE
    assert search(stopped) is Outcome.DONE
    assert compare_newest(whole.paths, stopped.paths).difference is None
    found, evolved = (newest_history(run.paths.directory) for run in (whole, copy_of("whole")))
    assert sum(found.n_steps) == sum(evolved.n_steps) == 3 * 3 * 2
    assert len(found.individuals) == len(evolved.individuals) == 3 * 4
    assert {individual.parent_of_record for individual in found.individuals} == {NOBODY}


def test_one_task_is_searched_by_the_same_code(request_of, experiment_of):
    request = request_of()
    alone = request.experiment.model_copy(update={"tasks": ("digits",)})
    request = dataclasses.replace(request, experiment=alone)
    assert search(request) is Outcome.DONE


def test_a_supernet_that_no_memory_holds_is_one_line_that_says_what_takes_less(request_of):
    request = request_of(supernet={"channels": 1_000_000})
    with pytest.raises(EmtnasError, match=r"out of memory on this machine: \d+ bytes .* supernet"):
        search(request)
    assert read_attempts(request.paths)[-1].events[-1]["event"] == "failed"


class FailsLater:
    """Records nothing at the second time that it is asked to; replays by doing the step again."""

    def __init__(self):
        self._n = 0

    def on_stream(self):
        return nullcontext()

    def record(self, step):
        self._n += 1
        if self._n == 2:
            raise CaptureError("operation not permitted when stream is capturing")
        return step

    def drop(self, replays):
        replays.clear()

    def keep_pace(self):
        pass


def test_a_step_that_cannot_be_recorded_is_left_to_a_new_process_which_ends_the_same(
    request_of, copy_of, monkeypatch
):
    request, told = request_of(training={"batches": 12}), Told()
    whole = request_of("whole", training={"batches": 12})
    search(whole)
    with monkeypatch.context() as patch:
        patch.setattr("emtnas_hpc.search.session._make_recorder", lambda *_: FailsLater())
        with pytest.raises(StartOverError, match="in a new process; the same command goes on"):
            search(request, told)
    (warning,) = [line for line in told.said if line.startswith("warning: training steps cannot")]
    assert "operation not permitted" in warning
    *_, graphs, end = read_attempts(request.paths)[-1].events
    assert (graphs["event"], end["event"]) == ("no_graphs", "stopped")
    assert end["reason"] == "training steps go on without CUDA graphs in a new process"
    assert search(request) is Outcome.DONE
    assert compare_newest(request.paths, whole.paths).difference is None


def test_a_start_says_how_exactly_it_computes_and_how_many_images_it_evaluates_at_once(made):
    provenance = read_attempts(RunPaths(made / "whole"))[0].provenance
    assert provenance["precision"] == "tf32"
    assert provenance["evaluation_chunks"] == {"digits": 125, "again": 125}


def test_a_run_directory_of_other_settings_is_refused_with_the_difference(copy_of):
    other = copy_of("whole", search={"rmp": 0.1})
    with pytest.raises(InputError, match=r"search\.rmp is 0\.3 there, 0\.1 here"):
        search(other)
    with pytest.raises(InputError, match="seed is 0 there, 1 here"):
        search(dataclasses.replace(copy_of("stopped1"), seed=1))
    assert commits(other) == [2, 3]


def test_settings_that_cannot_change_the_result_may_differ(copy_of):
    assert search(copy_of("stopped2", run={"commit_interval_s": 60.0})) is Outcome.DONE


def test_a_directory_that_is_no_run_is_refused(request_of):
    request = request_of()
    request.paths.directory.mkdir()
    request.paths.experiment.write_text("hello = 1")
    with pytest.raises(InputError, match=r"is not the experiment\.toml of a run"):
        search(request)


def test_an_unknown_device_is_refused_before_anything_is_written(request_of):
    request = dataclasses.replace(request_of(), device="tpu")
    with pytest.raises(InputError, match="--device is 'tpu', expected auto, cpu, cuda or cuda:N"):
        search(request)
    assert not request.paths.directory.exists()


def test_a_cuda_device_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="CUDA devices here"):
        choose_device("cuda:999")


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_a_device_is_found_by_name(name):
    assert choose_device(name).type in ("cpu", "cuda")


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        *(("state.h5", damage) for damage in ("truncated", "flipped", "missing")),
        ("digits.pt", "flipped"),
        ("manifest.json", "missing"),
    ],
)
def test_damage_in_the_newest_commit_is_told_and_the_end_is_the_same(copy_of, file, damage):
    whole, hurt = copy_of("whole"), copy_of("stopped2")
    path = hurt.paths.stage("search").commit(2) / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content if damage == "flipped" else content[: len(content) // 2])
    told = Told()
    assert search(hurt, told) is Outcome.DONE
    assert any(file in message and "000001" in message for message in told.said)
    assert told.steps == [2, 3]
    assert compare_newest(whole.paths, hurt.paths).difference is None


def test_when_all_commits_are_damaged_nothing_is_overwritten(copy_of):
    request = copy_of("whole")
    states = [request.paths.stage("search").commit(step) / "state.h5" for step in (2, 3)]
    for state in states:
        state.write_bytes(b"noise")
    with pytest.raises(DamagedError):
        search(request)
    assert [state.read_bytes() for state in states] == [b"noise", b"noise"]
    assert commits(request) == [2, 3]


def test_repeating_the_newest_generation_gives_the_same_bits(copy_of, data_dir, caplog):
    request = copy_of("whole")
    comparison = repeat_newest(request.paths, data_dir, "cpu")
    assert (comparison.step, comparison.difference) == (3, None)
    assert caplog.messages[-1] == "repeating generations 3 to 3"


def test_a_run_with_one_commit_is_repeated_from_its_beginning(copy_of, data_dir, caplog):
    request = copy_of("stopped1")
    assert repeat_newest(request.paths, data_dir, "cpu").difference is None
    assert caplog.messages[-1] == "repeating generations 1 to 1"


def test_two_searches_of_different_seeds_differ_and_the_first_difference_is_named(
    copy_of, request_of
):
    other = request_of("other", seed=1)
    search(other)
    difference = compare_newest(copy_of("whole").paths, other.paths).difference
    assert difference == "state.h5: seed is 0 against 1"


def test_runs_without_a_common_generation_cannot_be_compared(copy_of):
    a, b = copy_of("whole"), copy_of("stopped1")
    with pytest.raises(
        InputError, match=r"no generation in common, found commits \[2, 3\] and \[1\]"
    ):
        compare_newest(a.paths, b.paths)


def test_a_damaged_commit_is_not_compared(copy_of):
    a, b = copy_of("whole"), copy_of("stopped2")
    (b.paths.stage("search").commit(2) / "digits.pt").write_bytes(b"noise")
    with pytest.raises(DamagedError, match=r"digits\.pt"):
        compare_newest(a.paths, b.paths)


def test_a_run_that_has_committed_nothing_cannot_be_repeated(request_of, data_dir):
    with pytest.raises(InputError, match="nothing has been committed yet"):
        repeat_newest(request_of().paths, data_dir, "cpu")


def without_data(request):
    """The same search, but the files that its images came from are gone."""
    gone = {
        name: task.model_copy(update={"source": "npz:gone.npz"})
        for name, task in request.experiment.task.items()
    }
    return dataclasses.replace(
        request, experiment=request.experiment.model_copy(update={"task": gone})
    )


def test_a_finished_search_needs_its_data_no_more(copy_of):
    assert search(without_data(copy_of("whole"))) is Outcome.DONE


@pytest.mark.parametrize("name", ["stopped2", "none", "damaged", "other"])
def test_any_other_search_without_its_data_is_refused(copy_of, request_of, name):
    request = request_of() if name == "none" else copy_of("whole" if name != "stopped2" else name)
    if name == "damaged":
        (request.paths.stage("search").commit(3) / "digits.pt").write_bytes(b"noise")
    if name == "other":
        request = dataclasses.replace(request, seed=1)
    with pytest.raises(DataError, match=r"gone\.npz"):
        search(without_data(request))


def test_a_run_keeps_the_signature_that_it_was_given_by_an_earlier_version(copy_of):
    """An earlier version knew fewer settings, so it computed another signature."""
    request = copy_of("stopped2")
    stored = read_stored(request.paths)
    earlier = dataclasses.replace(stored, signatures={"search": "e" * 64})
    request.paths.experiment.write_text(dump_stored(earlier))
    for step in commits(request):
        sign(request.paths.stage("search").commit(step), "e" * 64)
    assert search(request) is Outcome.DONE
    assert read_manifest(request.paths.stage("search").commit(3)).signature == "e" * 64


def sign(commit, signature):
    manifest = dataclasses.replace(read_manifest(commit), signature=signature)
    (commit / "manifest.json").write_text(manifest.to_text())


def test_going_on_under_other_conditions_is_said(copy_of):
    request, told = copy_of("stopped2"), Told()
    (attempt,) = request.paths.find_attempts()
    lines = attempt.path.read_text().splitlines()
    provenance = json.loads(lines[0]) | {"torch": "1.0"}
    attempt.path.write_text("\n".join([json.dumps(provenance), *lines[1:]]) + "\n")
    search(request, told)
    (said,) = [message for message in told.said if "promised" in message]
    assert said.startswith("goes on with torch 1.0 -> ")


def test_a_device_that_nobody_named_is_said_once(request_of):
    request, told = dataclasses.replace(request_of(), device="auto"), Told()
    search(request, told)
    assert len([line for line in told.said if line.endswith(", chosen by itself")]) == 1
    again = Told()
    search(request, again)
    assert again.said == []


@pytest.mark.skipif(choose_device("auto").type == "cuda", reason="torch sees a GPU here")
def test_gpus_that_torch_does_not_see_are_warned_of_and_recorded(request_of, monkeypatch):
    monkeypatch.setenv("SLURM_GPUS_ON_NODE", "1")
    request, told = dataclasses.replace(request_of(), device="auto"), Told()
    search(request, told)
    [warning] = [line for line in told.said if line.startswith("warning: ")]
    [attempt] = read_attempts(request.paths)
    [event] = [event for event in attempt.events if event["event"] == "no_gpu"]
    assert warning == f"warning: {event['message']}"
