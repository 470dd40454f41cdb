"""What JSON on stdout and the files of a run are made of: keys, types, dtypes; never values."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from recording import NAMES, Recording
from shapes import hdf5_schema, shape_of, shapes_of_attempts, weights_schema

pytestmark = pytest.mark.slow

Check = Callable[[str, str], None]


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("-json")])
def test_the_json_of_a_command_has_the_keys_on_record(
    recording: Recording, check_golden: Check, name: str
) -> None:
    check_golden(f"formats/{name}.txt", shape_of(json.loads(recording.out(name))))


def test_a_commit_of_a_search_is_laid_out_as_on_record(
    recording: Recording, check_golden: Check
) -> None:
    [commit] = recording.folder.glob("runs/fresh/seed-0/search/000002")
    check_golden("formats/search-commit.txt", _layout(commit))


def test_a_commit_of_a_retraining_is_laid_out_as_on_record(
    recording: Recording, check_golden: Check
) -> None:
    """One under way, one that is finished."""
    [finished] = recording.folder.glob("runs/fresh/seed-0/retraining/digits-n1-*/*4")
    [before] = recording.folder.glob("runs/fresh/seed-0/retraining/digits-n1-*/*3")
    check_golden("formats/retraining-commits.txt", f"{_layout(before)}\n{_layout(finished)}")


def test_the_settings_that_a_run_stores_are_those_on_record(
    recording: Recording, check_golden: Check
) -> None:
    run = recording.folder / "runs/fresh/seed-0"
    [retraining] = run.glob("retraining/digits-n1-*/retraining.toml")
    [transfer] = run.glob("retraining/digits-on-again-n1-*/retraining.toml")
    files = {"experiment.toml": run / "experiment.toml", "retraining.toml": retraining}
    check_golden("formats/settings.txt", _tables({**files, "transfer": transfer}))


def test_what_jobs_are_told_has_the_keys_on_record(
    recording: Recording, check_golden: Check
) -> None:
    jobs = recording.folder / "runs/new/jobs/seed-0"
    records = [json.loads(file.read_text()) for file in sorted(jobs.glob("*.json"))]
    assert len(records) == 2
    check_golden(
        "formats/jobs.txt",
        _tables({"request.toml": jobs / "request.toml"}) + f"\nrecord\n{shape_of(*records)}",
    )


def test_the_lines_of_an_attempt_have_the_keys_on_record(
    recording: Recording, check_golden: Check
) -> None:
    runs = recording.folder / "runs"
    files = [*runs.glob("fresh/seed-0/attempts/*"), *runs.glob("*ing/seed-0/attempts/0002-*")]
    assert len(files) == 4
    check_golden("formats/attempts.txt", shapes_of_attempts(files))


def _layout(commit: Path) -> str:
    """Every file of a commit with what it is made of."""
    readers = {
        ".h5": hdf5_schema,
        ".json": lambda file: shape_of(json.loads(file.read_text())),
        ".pt": weights_schema,
    }
    files = sorted(commit.iterdir())
    return "\n".join(f"{file.name}\n{readers[file.suffix](file)}" for file in files)


def _tables(files: dict[str, Path]) -> str:
    return "\n".join(
        f"{name}\n{shape_of(tomllib.loads(file.read_text()))}" for name, file in files.items()
    )
