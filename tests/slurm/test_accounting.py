from stand_ins import StandIns

from emtnas_hpc.slurm.queue import RETRY_S, Accounts, parse_endings, read_endings


def test_the_newest_incarnation_of_a_job_counts() -> None:
    text = "3|REQUEUED\n3|CANCELLED by 0\n4|OUT_OF_MEMORY\n5|\n"
    assert parse_endings(text) == {"3": "CANCELLED", "4": "OUT_OF_MEMORY"}


def test_all_jobs_are_asked_about_at_once(stand_ins: StandIns) -> None:
    stand_ins.write("sacct", "echo '2|TIMEOUT'")
    assert read_endings({"2", "1"}) == {"2": "TIMEOUT"}
    assert stand_ins.calls == ["sacct -X -D -P -n --format=JobID,State -j 1,2"]


def test_nobody_is_asked_about_no_job(stand_ins: StandIns) -> None:
    accounts = Accounts()
    assert (accounts.endings(set()), accounts.problem, stand_ins.calls) == ({}, "", [])


def test_accounts_that_fail_are_not_asked_again_for_a_while(stand_ins: StandIns) -> None:
    now = 0.0
    accounts = Accounts(lambda: now)
    stand_ins.write("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    for _round in range(3):
        assert accounts.endings({"1"}) == {}
        assert accounts.problem == "sacct refused: Slurm accounting storage is disabled"
    assert len(stand_ins.calls) == 1
    now = RETRY_S
    stand_ins.write("sacct", "echo '1|TIMEOUT'")
    assert (accounts.endings({"1"}), accounts.problem) == ({"1": "TIMEOUT"}, "")


def test_what_accounts_said_before_they_failed_is_still_known(stand_ins: StandIns) -> None:
    accounts = Accounts()
    stand_ins.write("sacct", "echo '1|TIMEOUT'")
    accounts.endings({"1"})
    (stand_ins.folder / "sacct").unlink()
    assert accounts.endings({"1", "2"}) == {"1": "TIMEOUT"}
    assert accounts.problem.startswith("there is no command sacct here")
    assert (accounts.endings({"1"}), accounts.problem) == ({"1": "TIMEOUT"}, "")


def test_accounts_are_not_asked_again_for_how_a_job_ended(stand_ins: StandIns) -> None:
    accounts = Accounts()
    stand_ins.write("sacct", "echo '1|TIMEOUT'; echo '2|RUNNING'")
    for _round in range(3):
        assert accounts.endings({"1", "2", "3"}) == {"1": "TIMEOUT", "2": "RUNNING"}
    assert [call.split()[-1] for call in stand_ins.calls] == ["1,2,3", "2,3", "2,3"]


def test_a_job_that_went_back_into_the_queue_is_asked_about_anew(stand_ins: StandIns) -> None:
    accounts = Accounts()
    for ending in ("PREEMPTED", "TIMEOUT"):
        stand_ins.write("sacct", f"echo '1|{ending}'")
        assert accounts.endings({"1"}) == {"1": ending}
        accounts.endings(set())


def test_notices_among_the_accounts_are_no_endings() -> None:
    text = "*** a|b ***\r\n 3 | CANCELLED by 0\r\n3.batch|FAILED\nJobID|State\n4_1|TIMEOUT\n7|\n"
    assert parse_endings(text) == {"3": "CANCELLED", "4_1": "TIMEOUT"}
