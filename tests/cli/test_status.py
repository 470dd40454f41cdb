import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from command_line import Emtnas, run_here

sys.path.insert(0, str(Path(__file__).parents[1] / "slurm"))
sys.path.insert(0, str(Path(__file__).parents[1] / "search"))
sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

from fake import commit_search
from fake_runs import Retrained, make_run
from stand_ins import StandIns, queue_line, record_job

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.cli import status
from emtnas_hpc.runner.attempts import Attempt
from emtnas_hpc.slurm.job_files import JobSpec, write_flag, write_job_spec
from emtnas_hpc.slurm.profile import Profile

pytestmark = pytest.mark.slow


@pytest.fixture
def stand_ins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    return StandIns(tmp_path / "commands", monkeypatch)


@pytest.fixture
def runs(here: Path, stand_ins: StandIns) -> list[RunPaths]:
    """A seed that is done, one whose job runs, one whose job waits, and one that failed."""
    runs = [RunPaths(Path("runs/fake") / f"seed-{seed}") for seed in range(4)]
    for seed, run in enumerate(runs):
        commit_search(run.directory, seed=seed, until=None if seed == 0 else 2)
    jobs = [record_job(run, str(10 + seed)) for seed, run in enumerate(runs)]
    write_flag(runs[3].failed, "RuntimeError: no", "t")
    stand_ins.queue(queue_line(jobs[1], "RUNNING"), queue_line(jobs[2], "PENDING", "Resources"))
    return runs


def _request(run: RunPaths, **profile: int) -> None:
    values = {"partition": "gpu", "time": 600, "lead_time_s": 120, **profile}
    chosen = Profile.model_validate(values)
    write_job_spec(
        run.jobs, JobSpec(profile=chosen, data="", device="cpu", prepare_command=""), "t"
    )


def _rows(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines() if line.startswith("fake/")]


def test_all_seeds_are_in_one_table_with_what_there_is_to_say_below(
    emtnas: Emtnas, runs: list[RunPaths]
) -> None:
    result = emtnas("status")
    assert (result.code, result.err) == (0, "")
    heading, _rule, *lines = result.out.splitlines()
    columns = ["run", "state", "stage", "true", "%", "s/step", "left", "jobs", "req.", "heard"]
    assert heading.split() == columns
    assert [row[:4] for row in _rows("\n".join(lines[:4]))] == [
        ["fake/seed-0", "done", "search", "5/5"],
        ["fake/seed-1", "running", "search", "2/5"],
        ["fake/seed-2", "queued", "search", "2/5"],
        ["fake/seed-3", "failed", "search", "2/5"],
    ]
    assert lines[4:-1] == [
        "",
        "fake/seed-2 queued: job 12 waits for free nodes",
        "fake/seed-3 failed: RuntimeError: no",
    ]
    assert lines[-1].startswith("true: the best so far on the whole validation set; ")


def test_a_run_that_is_named_twice_is_shown_once(emtnas: Emtnas, runs: list[RunPaths]) -> None:
    seeds = json.loads(emtnas("status", "fake", "fake/seed-1", "fake", "--json").out)["seeds"]
    assert [seed["directory"] for seed in seeds] == [str(run.directory) for run in runs]


def test_json_is_not_watched(emtnas: Emtnas, runs: list[RunPaths]) -> None:
    result = emtnas("status", "--watch", "--json")
    assert (result.code, result.out) == (2, "")
    assert result.err == "error: --watch and --json exclude each other; give one of them\n"


def test_true_accuracies_are_in_percent_with_the_names_of_the_tasks(
    emtnas: Emtnas, runs: list[RunPaths]
) -> None:
    values = json.loads(emtnas("status", "fake/seed-0", "--json").out)["seeds"][0]
    shown = ", ".join(f"{name} {100 * v:.2f}" for name, v in values["true_fitness"].items())
    assert shown in emtnas("status", "fake/seed-0").out


def test_a_table_on_a_terminal_of_80_columns_is_cut_nowhere(
    emtnas: Emtnas, runs: list[RunPaths], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    out = emtnas("status").out
    assert "…" not in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.fixture
def trained(here: Path, stand_ins: StandIns) -> RunPaths:
    """A run of which one of two networks is trained, and whose job misses its GPU."""
    short = ("search.generations=3", "retraining.normal_cells=[2]", "retraining.epochs=2")
    both = Retrained(recipe="long+epochs=2")
    run = RunPaths(make_run(Path("runs"), "cifar", *short, retrained=both))
    shutil.rmtree(run.directory / "retraining/cifar100-n2-long+epochs=2")
    job = record_job(run, "10")
    with Attempt(run, "77", {"job_id": "10"}) as attempt:
        attempt.event("no_gpu", message="torch sees none")
    stand_ins.queue(queue_line(job, "RUNNING"))
    return run


def test_the_retraining_under_way_is_shown_with_what_was_tested_before(
    emtnas: Emtnas, trained: RunPaths
) -> None:
    out = emtnas("status").out
    [row] = [" ".join(line.split()) for line in out.splitlines() if line.startswith("cifar/")][:1]
    assert re.match(r"cifar/seed-0 running cifar100-n2 0/2 cifar10 \S+, cifar100 \S+ ", row)
    assert re.search(r" cifar10 9\d\.\d\d - - 1 0 ", row)
    assert "cifar/seed-0 warning: torch sees none" in out.splitlines()
    assert "test: of the best network that was trained from scratch" in out


def test_json_lists_all_stages_of_a_run(emtnas: Emtnas, trained: RunPaths) -> None:
    [seed] = json.loads(emtnas("status", "--json").out)["seeds"]
    names = ["search", *(f"retraining/{task}-n2-long+epochs=2" for task in ("cifar10", "cifar100"))]
    assert [stage["name"] for stage in seed["stages"]] == names
    assert [stage["finished"] for stage in seed["stages"]] == [True, True, False]
    assert (seed["stage"], seed["unmeasured_stages"]) == (names[2], names[2:])
    assert list(seed["test_accuracy"]) == ["cifar10"]
    assert seed["warning"] == "torch sees none"


def test_on_a_narrow_terminal_retrainings_fit_too(
    emtnas: Emtnas, trained: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    lines = emtnas("status").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[2].split()[:2] == ["cifar/seed-0", "cifar100-n2"]
    assert lines[3].split()[:2] == ["running", "0/2"]


def test_json_has_every_number_and_null_for_what_nobody_knows(
    emtnas: Emtnas, runs: list[RunPaths]
) -> None:
    _request(runs[1])
    values = json.loads(emtnas("status", "--json").out)
    assert values["problems"] == []
    done, running, queued, failed = values["seeds"]
    assert (done["state"], done["seconds_left"], done["job"]) == ("done", None, None)
    assert running["directory"] == "runs/fake/seed-1"
    assert running["job"] == {"id": "11", "state": "RUNNING", "reason": "None", "nodes": "n1"}
    assert running["seconds_left"] == pytest.approx(3 * running["seconds_per_step"])
    assert (running["n_jobs_left"], queued["n_jobs_left"]) == (1, None)
    assert (queued["jobs_in_queue"], queued["heartbeat_age_s"]) == (["12"], None)
    assert (failed["state"], failed["reason"]) == ("failed", "RuntimeError: no")


def test_a_limit_that_holds_no_generation_is_pointed_out(
    emtnas: Emtnas, runs: list[RunPaths]
) -> None:
    _request(runs[1], time=2)
    result = emtnas("status")
    assert result.code == 0
    assert result.err.startswith("runs/fake/seed-1: one generation takes ")
    assert len(result.err.splitlines()) == 1


def test_a_scheduler_that_hangs_is_named_and_the_rest_is_shown(
    emtnas: Emtnas, runs: list[RunPaths], stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emtnas_hpc.slurm.slurm.run_command.__kwdefaults__", {"patience_s": 0.3})
    stand_ins.write("squeue", "exec sleep 100")
    result = emtnas("status")
    assert result.code == 0
    assert len(result.err.splitlines()) == 1
    assert result.err.startswith("squeue did not answer within 0 s; is SLURM's controller down?")
    assert [row[1] for row in _rows(result.out)[:4]] == ["done", "unknown", "unknown", "failed"]
    assert [call.split()[0] for call in stand_ins.calls] == ["squeue"]


def test_without_slurm_that_is_said_once(
    emtnas: Emtnas, runs: list[RunPaths], stand_ins: StandIns
) -> None:
    (stand_ins.folder / "squeue").unlink()
    result = emtnas("status")
    assert result.code == 0
    assert result.err.startswith("there is no command squeue here; ")
    assert len(result.err.splitlines()) == 1


def test_a_damaged_run_is_named_and_its_state_still_shown(
    emtnas: Emtnas, runs: list[RunPaths]
) -> None:
    for state in runs[1].directory.rglob("state.h5"):
        state.write_bytes(b"noise")
    result = emtnas("status")
    assert result.code == 0
    assert result.err.startswith("runs/fake/seed-1: no commit has a good state.h5; ")
    assert _rows(result.out)[1][:4] == ["fake/seed-1", "running", "search", "?/?"]


def test_a_damaged_run_that_nobody_carries_is_unreadable_and_does_not_go_on(
    emtnas: Emtnas, runs: list[RunPaths], stand_ins: StandIns
) -> None:
    stand_ins.queue()
    for state in runs[1].directory.rglob("state.h5"):
        state.write_bytes(b"noise")
    result = emtnas("status", "fake/seed-1")
    assert (result.code, result.err) == (0, "")
    assert _rows(result.out)[0][:3] == ["fake/seed-1", "unreadable", "search"]
    assert "fake/seed-1 unreadable: no commit has a good state.h5; " in result.out
    assert "goes on" not in result.out
    (seed,) = json.loads(emtnas("status", "fake/seed-1", "--json").out)["seeds"]
    assert seed["state"] == "unreadable"
    assert seed["reason"].startswith("no commit has a good state.h5; ")


def test_watching_repeats_the_table_until_nothing_moves(
    runs: list[RunPaths], stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def sleep(_seconds: float) -> None:
        looks.append(1)
        if len(looks) == 2:
            stand_ins.queue()

    monkeypatch.setattr(status, "time", SimpleNamespace(sleep=sleep, strftime=time.strftime))
    result = run_here("status", "--watch")
    assert result.code == 0
    assert result.out.count("s/step") == 3
    assert result.out.count(time.strftime("%Y-")) == 3
    assert "running" not in result.out.rpartition("s/step")[2]


def test_watching_does_not_ask_accounts_that_fail_in_every_round(
    runs: list[RunPaths], stand_ins: StandIns, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_ins.write("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    runs[3].failed.unlink()
    looks = iter([None, None, stand_ins.queue])

    def sleep(_seconds: float) -> None:
        if end := next(looks):
            end()

    monkeypatch.setattr(status, "time", SimpleNamespace(sleep=sleep, strftime=time.strftime))
    result = run_here("status", "--watch")
    assert (result.code, result.err) == (0, "")
    assert result.out.count("s/step") == 4
    said = "how jobs ended is not known: sacct refused: Slurm accounting storage is disabled"
    assert result.out.count(said) == 4
    assert [call.split()[0] for call in stand_ins.calls].count("sacct") == 1


@pytest.mark.parametrize("terminal", [False, True])
def test_ctrl_c_ends_watching_as_it_should(
    runs: list[RunPaths], monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    def sleep(_seconds: float) -> None:
        raise KeyboardInterrupt

    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(status, "time", SimpleNamespace(sleep=sleep, strftime=time.strftime))
    result = run_here("status", "--watch")
    assert (result.code, result.err) == (0, "")
    assert "fake/seed-3" in result.out


def test_without_any_run_there_is_nothing_to_show(emtnas: Emtnas, here: Path) -> None:
    result = emtnas("status")
    assert result.code == 2
    assert result.err.startswith("error: no runs in runs")


ALONE = """
import sys
from emtnas_hpc.cli.app import run_command_line
code = run_command_line(sys.argv[1:])
slow = ("torch", "h5py", "emtnas_hpc.data", "emtnas_hpc.retraining", "emtnas_hpc.report")
sys.exit(next((f"imports {name}" for name in slow if name in sys.modules), code))
"""


@pytest.mark.parametrize(
    "arguments", ["status", "status --json", "logs fake/seed-1", "cancel fake"]
)
def test_what_only_reads_or_cancels_imports_nothing_that_is_slow(
    runs: list[RunPaths], environment: dict[str, str], arguments: str
) -> None:
    folder = runs[1].jobs.logs("11")
    folder.mkdir()
    (folder / "11_0_log.out").write_text("hello\n")
    command = [sys.executable, "-c", ALONE, *arguments.split()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    assert done.stdout
