import json
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import InputError
from emtnas_hpc.slurm.job_files import (
    JobRecord,
    job_name,
    new_record,
    read_records,
    record_submitted,
    void_record,
    write_record,
)


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return RunPaths(tmp_path / "cifar+rmp=0.1,x" / "seed-3")


def test_a_jobs_name_tells_its_run_and_its_intent(run: RunPaths) -> None:
    assert job_name(run, "01234567") == "emtnas-cifar-rmp-0.1-x-s3-01234567"


def test_a_long_experiment_still_leaves_room_for_seed_and_intent(tmp_path: Path) -> None:
    run = RunPaths(tmp_path / ("a" * 100) / "seed-12")
    assert job_name(run, "01234567").endswith("-s12-01234567")
    assert len(job_name(run, "01234567")) < 64


def test_an_intent_is_open_until_it_is_answered(run: RunPaths) -> None:
    record = new_record(run, after="7")
    write_record(run.jobs, record)
    assert [r.pending for r in read_records(run.jobs)] == [True]
    record_submitted(run.jobs, record, "8")
    [found] = read_records(run.jobs)
    assert (found.pending, found.job_id, found.after, found.name) == (False, "8", "7", record.name)


def test_an_intent_that_was_given_up_is_open_no_longer(run: RunPaths) -> None:
    record = new_record(run, after=None)
    write_record(run.jobs, record)
    void_record(run.jobs, record)
    [found] = read_records(run.jobs)
    assert (found.pending, found.void, found.job_id) == (False, True, None)


def test_records_follow_slurms_numbers_whatever_clocks_say_and_intents_come_last(
    run: RunPaths,
) -> None:
    first, second, intent = (
        JobRecord(intent, "name", submitted, None, job_id)
        for intent, submitted, job_id in [
            ("a" * 8, 9.0, "9"),
            ("b" * 8, 5.0, "10"),
            ("c" * 8, 1.0, None),
        ]
    )
    for record in (intent, second, first):
        write_record(run.jobs, record)
    (run.jobs.directory / "notes.json").write_text("{}")
    assert read_records(run.jobs) == [first, second, intent]


def test_a_record_of_a_later_version_that_says_more_is_understood(run: RunPaths) -> None:
    record = new_record(run, after=None)
    write_record(run.jobs, record)
    path = run.jobs.record(record.intent)
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "red"}))
    assert read_records(run.jobs) == [record]


@pytest.mark.parametrize(
    "text",
    [
        "[1",
        "[]",
        '{"intent": "11111111"}',
        '{"intent": "1", "name": "n", "submitted": 1, "job_id": "x"}',
    ],
)
def test_a_record_that_cannot_be_understood_is_refused_and_named(run: RunPaths, text: str) -> None:
    run.jobs.directory.mkdir(parents=True)
    (run.jobs.directory / "11111111.json").write_text(text)
    with pytest.raises(InputError, match=r"11111111\.json is not the record of a job"):
        read_records(run.jobs)


def test_a_run_without_jobs_has_no_records(run: RunPaths) -> None:
    assert read_records(run.jobs) == []
