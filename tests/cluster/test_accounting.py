from stand_ins import StandIns

from emtnas_hpc.cluster.accounting import parse_endings, read_endings


def test_the_newest_incarnation_of_a_job_counts() -> None:
    text = "3|REQUEUED\n3|CANCELLED by 0\n4|OUT_OF_MEMORY\n5|\n"
    assert parse_endings(text) == {"3": "CANCELLED", "4": "OUT_OF_MEMORY"}


def test_all_jobs_are_asked_about_at_once(stand_ins: StandIns) -> None:
    stand_ins.write("sacct", "echo '2|TIMEOUT'")
    assert read_endings({"2", "1"}) == {"2": "TIMEOUT"}
    assert stand_ins.calls == ["sacct -X -D -P -n --format=JobID,State -j 1,2"]


def test_nobody_is_asked_about_no_job(stand_ins: StandIns) -> None:
    assert read_endings(set()) == {}


def test_a_site_without_accounts_has_no_endings(stand_ins: StandIns) -> None:
    assert read_endings({"1"}) is None
    stand_ins.write("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    assert read_endings({"1"}) is None
