from emtnas_hpc.slurm.checks import CheckResult, Grade, check_signals

START = '{"signal": "start", "seconds": 0.0}\n'


def _check(text: str) -> CheckResult:
    (finding,) = check_signals(text, 30.0, 60.0)
    return finding


def test_the_signal_that_was_asked_for_is_fine_and_all_are_told() -> None:
    heard = '{"signal": "SIGUSR2", "seconds": 24.2}\n{"signal": "SIGTERM", "seconds": 61.0}\n{"sig'
    found = _check(START + heard)
    assert found.grade is Grade.FINE
    assert str(found) == (
        "of a limit of 60 s: SIGUSR2 at 24 s, SIGTERM at 61 s; SIGUSR2 came 36 s before, asked 30"
    )


def test_a_site_that_sends_only_the_last_signal_is_wrong() -> None:
    found = _check(START + '{"signal": "SIGTERM", "seconds": 61.0}\n')
    assert found.grade is Grade.WRONG
    assert "SIGUSR2 was asked for 30 s before it" in str(found)


def test_a_kill_without_a_signal_is_wrong() -> None:
    assert "nothing was heard before the kill" in str(_check(START))


def test_a_job_that_never_began_to_listen_is_wrong() -> None:
    assert "never began" in str(_check(""))
