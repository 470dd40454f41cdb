"""Runs on a shared cluster, of which something may not be entered or read: it belongs to others."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Emtnas, Result, run_here, snapshot
from fake_slurm import FakeSlurm
from launches import NAMED, launch, run
from modes import modes_can_be_obeyed, modes_obeyed

pytestmark = pytest.mark.slow

RUN = "tiny/seed-0"
COMMIT = f"{RUN}/search/000002"
JOBS = "tiny/jobs/seed-0"

#: What nobody is told of what only may not be read.
NEVER = re.compile("damage|delete|move|backup|begin anew|unexpected", re.IGNORECASE)

#: What may be shut, and which commands have to do with it.
LEVELS = {
    "tiny": "status report inspect verify compare logs export cancel resume retrain launch run",
    RUN: "status report inspect verify compare logs export cancel resume retrain launch run",
    f"{RUN}/search": "status report inspect verify compare export resume retrain launch run",
    COMMIT: "status report inspect verify compare export resume retrain launch run",
    f"{COMMIT}/state.h5": "status report inspect verify compare export resume retrain launch run",
    f"{COMMIT}/manifest.json": "status report inspect verify compare export resume retrain launch",
    f"{COMMIT}/digits.pt": "verify compare run",
    f"{RUN}/experiment.toml": "status report verify export resume retrain launch run",
    f"{RUN}/attempts": "status report verify",
    f"{RUN}/attempts/0001": "status report verify",
    f"{RUN}/owner": "status",
    f"{RUN}/cancelled": "status",
    f"{RUN}/failed": "status",
    "tiny/jobs": "status logs cancel resume launch",
    JOBS: "status logs cancel resume",
    f"{JOBS}/record": "status logs cancel",
    f"{JOBS}/request.toml": "resume",
    f"{JOBS}/log": "logs",
}
CASES = [(level, command) for level, commands in LEVELS.items() for command in commands.split()]

QUICK = tuple(
    word
    for setting in ("epochs=1", "channels=2", "batch_size=256")
    for word in ("--set", f"retraining.{setting}")
)
COMMANDS = {
    "status": ("status",),
    "report": ("report",),
    "inspect": ("inspect", RUN),
    "verify": ("verify", RUN),
    "compare": ("verify", RUN, "tiny/seed-1"),
    "logs": ("logs", RUN),
    "export": ("export", RUN, "--untrained", "--output", "out"),
    "cancel": ("cancel", "tiny"),
    "resume": ("resume", "tiny"),
    "retrain": ("retrain", "tiny", "--normal-cells", 1, *QUICK),
}
#: Those that show what there is; the others were told to work on what may not be read.
SHOWING = ("status", "report")
#: What `cancel`, `launch` and `retrain` write: of the neighbour, and the lock.
MAY_CHANGE = re.compile("tiny/seed-1/(retraining|attempts)|tiny/jobs/lock")


@pytest.fixture(scope="module", autouse=True)
def modes(tmp_path_factory: pytest.TempPathFactory) -> None:
    if not modes_can_be_obeyed(tmp_path_factory.mktemp("modes")):
        pytest.skip("this process may open whatever it likes, and cannot give that up")


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory, finished: Path, data: Path) -> Path:
    """A folder with two finished seeds in `runs` that were launched. Not to be written to."""
    folder = tmp_path_factory.mktemp("launched")
    shutil.copytree(finished, folder / "runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("EMTNAS_PROFILES", str(folder / "profiles"))
        patch.delenv("SLURM_JOB_ID", raising=False)
        FakeSlurm(folder / "commands", patch)
        for seed in (0, 1):
            last = run(seed).search.commit(2)
            last.rename("later")
            assert launch(run_here, data, "--seeds", f"{seed},").code == 0
            Path("later").rename(last)
    (folder / "runs" / JOBS / "1" / "1_0_log.out").write_text("at work\n")
    return folder


@pytest.fixture
def shared(here: Path, launched: Path, slurm: FakeSlurm) -> Path:
    """Copies of them, whose jobs have ended."""
    shutil.copytree(launched / "runs", here / "runs", symlinks=True)
    (slurm.folder / "n").write_text("4\n")
    return here / "runs"


@pytest.fixture
def opened(shared: Path) -> Iterator[list[Path]]:
    """What a test shuts is opened again at its end."""
    shut: list[Path] = []
    yield shut
    for path in shut:
        path.chmod(0o755)


def _path(shared: Path, level: str) -> Path:
    patterns = {"0001": "0001-*", "record": "*.json", "log": "1"}
    folder, _, name = level.rpartition("/")
    path = next((shared / folder).glob(patterns.get(name, name)), shared / level)
    if not path.exists():
        path.write_text("by alice\n")
    return path


def _run(emtnas: Emtnas, data: Path, command: str) -> Result:
    with modes_obeyed():
        if command == "launch":
            return launch(emtnas, data, "--seeds", 2)
        if command == "run":
            return emtnas("run", *NAMED, "--seeds", 2, "--data", data)
        with_data = ("--data", data) if command in ("verify", "retrain") else ()
        return emtnas(*COMMANDS[command], *with_data)


@pytest.mark.parametrize(("level", "command"), CASES)
def test_what_may_not_be_read_is_shown_as_such_and_hides_nothing_else(
    emtnas: Emtnas,
    slurm: FakeSlurm,
    shared: Path,
    opened: list[Path],
    data: Path,
    level: str,
    command: str,
) -> None:
    path = _path(shared, level)
    before, submitted = snapshot(shared), slurm.submissions
    opened.append(path)
    path.chmod(0)
    result = _run(emtnas, data, command)
    path.chmod(0o755)
    said, all_is_shut = result.out + result.err, level == "tiny"
    assert re.search(r"cannot (read|write) .*: Permission denied; .* belongs to \w+", said)
    assert not NEVER.search(said)
    # A report of nothing at all is none.
    shown = command == "status" or (command == "report" and not all_is_shut)
    assert result.code == (0 if shown else 1)
    if command in SHOWING and not all_is_shut:
        assert re.search("tiny/seed-1|seeds? (0, )?1", said)
    if command in ("launch", "resume") and level not in ("tiny", "tiny/jobs"):
        assert "seed 1: left alone, done" in result.out
    assert slurm.submissions == submitted
    after = snapshot(shared)
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert [name for name in changed if not MAY_CHANGE.match(name)] == []


@pytest.mark.parametrize("level", ["tiny/jobs", JOBS, f"{JOBS}/record", f"{RUN}/cancelled"])
@pytest.mark.parametrize("command", ["launch", "resume"])
def test_no_job_is_submitted_beside_those_that_nobody_can_see(
    emtnas: Emtnas,
    slurm: FakeSlurm,
    shared: Path,
    opened: list[Path],
    data: Path,
    level: str,
    command: str,
) -> None:
    shutil.rmtree(shared / COMMIT)
    path = _path(shared, level)
    submitted = slurm.submissions
    opened.append(path)
    path.chmod(0)
    result = _run(emtnas, data, command)
    assert (result.code, slurm.submissions) == (1, submitted)
    assert re.search("is left alone: cannot (read|write) .*: Permission denied; ", result.err)


@pytest.mark.parametrize("command", ["resume", "retrain"])
def test_a_seed_with_a_damaged_experiment_toml_keeps_no_other_from_its_work(
    emtnas: Emtnas, shared: Path, data: Path, command: str
) -> None:
    (shared / RUN / "experiment.toml").write_text("noise")
    result = _run(emtnas, data, command)
    assert result.code == 1
    assert "runs/tiny/seed-0/experiment.toml is not the experiment.toml of a run" in result.err
    done = "seed 1: left alone, done" if command == "resume" else "runs/tiny/seed-1"
    assert done in result.out


def test_a_run_that_is_refused_beside_one_that_is_trained_is_a_failure_and_no_bad_input(
    emtnas: Emtnas, shared: Path, data: Path
) -> None:
    shutil.rmtree(shared / COMMIT)
    result = _run(emtnas, data, "retrain")
    assert result.code == 1
    assert "the search has reached generation 0, and" in result.err
    assert "runs/tiny/seed-1" in result.out


def test_a_link_that_leads_nowhere_is_no_run_that_has_not_begun(
    emtnas: Emtnas, shared: Path, data: Path
) -> None:
    shutil.rmtree(shared / RUN / "search")
    (shared / RUN / "search").symlink_to("/archive/search")
    for command in ("status", "launch", "run", "retrain", "resume"):
        result = _run(emtnas, data, command)
        said = result.out + result.err
        assert "runs/tiny/seed-0/search is a link to /archive/search, which is not there" in said
        assert not NEVER.search(said)
    assert (shared / RUN / "search").is_symlink()


def test_a_word_that_is_a_file_or_too_long_is_no_run(emtnas: Emtnas, shared: Path) -> None:
    Path("notes.txt").touch()
    for word in ("notes.txt", "x" * 300):
        result = emtnas("status", word)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert result.err.startswith(f"error: '{word}' is no run: ")
