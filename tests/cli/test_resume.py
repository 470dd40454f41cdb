import shutil
from pathlib import Path

from command_line import Emtnas
from fake_slurm import FakeSlurm
from launches import launch, run
from programs import GPU

from emtnas_hpc.slurm.job_files import read_job_spec, write_flag


def test_resume_takes_up_what_was_launched_with_what_it_asked_for(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    launch(emtnas, data, "--seeds", 2, "--partition", "long", "--time", "50", "--device", "cpu")
    slurm.end("1", "3")
    write_flag(run(0).cancelled, "by me", "token")
    result = emtnas("resume", "tiny/seed-0")
    assert (result.code, result.err) == (0, "")
    assert result.out.endswith("tiny, seed 0: submitted: job 5, 6 behind it\n")
    assert not run(0).cancelled.exists()
    again = emtnas("resume", "--time", "70")
    assert "seed 0: left alone, in the queue: job 5 pending, job 6 pending" in again.out
    slurm.end("2", "4")
    emtnas("resume", "tiny", "--time", "70")
    request = read_job_spec(run(1).jobs)
    assert request is not None
    assert (request.profile.partition, request.profile.time) == ("long", 70)
    assert request.device == "cpu"


def test_a_run_that_was_never_launched_cannot_be_resumed(
    emtnas: Emtnas, slurm: FakeSlurm, finished: Path
) -> None:
    named = emtnas("resume", "tiny", "--runs", finished)
    assert named.code == 2
    assert "none of these runs was ever launched; `emtnas-hpc launch` or `run` goes" in named.err
    unnamed = emtnas("resume", "--runs", finished)
    assert (unnamed.code, slurm.submissions) == (2, 0)


def test_of_an_experiment_only_what_was_launched_is_resumed(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    launch(emtnas, data, "--seeds", 2, "--partition", "long")
    write_flag(run(1).cancelled, "by me", "token")
    for job in list(slurm.jobs):
        slurm.end(job)
    shutil.rmtree(run(0).jobs.directory)
    result = emtnas("resume", "tiny")
    assert result.code == 0
    assert "tiny/seed-0 was never launched, and is left alone\n" in result.err
    assert "tiny, seed 1: submitted" in result.out


def test_a_run_that_needs_no_job_may_have_asked_for_what_the_site_has_no_longer(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path, finished: Path
) -> None:
    for name, partition in (("done", "long"), ("tiny", "gpu")):
        assert launch(emtnas, data, "--name", name, "--partition", partition).code == 0
    slurm.end("1", "2", "3", "4")
    shutil.copytree(finished / "tiny/seed-0/search", "runs/done/seed-0/search")
    slurm.partitions(GPU)
    result = emtnas("resume")
    assert (result.code, result.err) == (0, "")
    assert "done, seed 0: left alone, done\ntiny, seed 0: submitted: job 5, 6" in result.out
    mistyped = emtnas("resume", "done", "--time", "soon")
    assert (mistyped.code, mistyped.out) == (2, "")


def test_of_several_runs_the_one_whose_jobs_the_site_has_no_room_for_is_named(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    for name, partition in (("tiny", "gpu"), ("other", "long")):
        assert launch(emtnas, data, "--name", name, "--partition", partition).code == 0
    slurm.end("1", "2", "3", "4")
    slurm.partitions(GPU)
    result = emtnas("resume")
    assert (result.code, slurm.submissions) == (2, 4)
    assert result.err.startswith("error: runs/other/seed-0: no partition 'long' (as launched) on")
    alone = emtnas("resume", "other")
    assert alone.err.startswith("error: no partition 'long' (as launched) on")


def test_seeds_may_be_named_in_any_order_and_twice(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    launch(emtnas, data, "--seeds", 2)
    launch(emtnas, data, "--name", "other")
    result = emtnas("resume", "tiny/seed-0", "other", "tiny", "--dry-run")
    assert result.code == 0
    headings = [line for line in result.out.splitlines() if line in ("tiny", "other")]
    assert headings == ["other", "tiny"]


def test_a_name_without_what_was_overridden_is_answered_with_the_whole_name(
    emtnas: Emtnas, slurm: FakeSlurm, data: Path
) -> None:
    Path("runs/tiny+rmp=0.1/seed-0/search/000001").mkdir(parents=True)
    for command in ("status", "cancel", "logs", "resume"):
        result = emtnas(command, "tiny")
        assert result.code == 2
        assert result.err.endswith("nor in runs; did you mean tiny+rmp=0.1?\n")
