from typing import Any

import pytest

from emtnas_hpc.slurm.checks import CheckResult, Grade, check_node

HERE = {
    "python": "3.11.7",
    "executable": "/venv/bin/python",
    "package": "/venv/emtnas_hpc",
    "versions": {"torch": "2.9", "numpy": "2.1"},
}
REPORT = {
    **HERE,
    "host": "n1",
    "nonce": "hello",
    "replaced": True,
    "locked": True,
    "commands": {"sbatch": True, "scontrol": True},
    "queue": "",
    "conditions": {"device": "cuda", "device_model": "RTX 2080 Ti", "torch": "2.9"},
}


def _checks(*, wants_cuda: bool = True, **changes: Any) -> dict[str, CheckResult]:
    report = {**REPORT, **changes}
    found = check_node(report, HERE, "hello", wants_cuda=wants_cuda)
    return {finding.check: finding for finding in found}


def test_on_a_node_as_it_should_be_everything_is_fine() -> None:
    checks = _checks()
    assert {finding.grade for finding in checks.values()} == {Grade.FINE}
    assert str(checks["test job"]) == "ran on n1"
    assert str(checks["Python"]) == "as here: Python 3.11.7, torch 2.9"
    assert str(checks["device"]) == "a search would run on RTX 2080 Ti (cuda)"


@pytest.mark.parametrize("nonce", [None, "another"])
def test_a_run_directory_that_the_node_does_not_see_is_wrong(nonce: str | None) -> None:
    found = _checks(nonce=nonce)["run directory"]
    assert (found.grade, "file system that all nodes share" in str(found)) == (Grade.WRONG, True)


def test_a_rename_that_does_not_replace_is_wrong() -> None:
    assert _checks(replaced=False)["run directory"].grade is Grade.WRONG


@pytest.mark.parametrize(
    ("locked", "said"), [(False, "keeps locks to one machine"), (None, "has no locks")]
)
def test_locks_that_do_not_reach_far_are_warned_of(locked: bool | None, said: str) -> None:
    found = _checks(locked=locked)["locks"]
    assert (found.grade, said in str(found)) == (Grade.WARNING, True)


def test_other_versions_on_the_node_are_named() -> None:
    found = _checks(python="3.12.1", versions={"torch": None, "numpy": "2.1"})["Python"]
    assert found.grade is Grade.WRONG
    assert "Python" not in found.found.replace("Python 3", "")
    assert found.found == (
        "other on the node: python 3.12.1 instead of 3.11.7, torch None instead of 2.9"
    )


def test_a_torch_that_sees_no_gpu_is_wrong_where_jobs_ask_for_one() -> None:
    conditions = {"device": "cpu", "device_model": "EPYC", "torch": "2.9"}
    assert _checks(conditions=conditions)["device"].grade is Grade.WRONG
    assert _checks(conditions=conditions, wants_cuda=False)["device"].grade is Grade.FINE


def test_a_torch_that_cannot_be_imported_is_wrong() -> None:
    found = _checks(conditions=None, torch_error="ImportError: libcuda")["device"]
    assert (found.grade, "ImportError: libcuda" in str(found)) == (Grade.WRONG, True)


def test_a_node_that_cannot_submit_is_warned_of() -> None:
    for changes in ({"commands": {"sbatch": False, "scontrol": True}}, {"queue": "refused"}):
        found = _checks(**changes)["SLURM from a node"]
        assert (found.grade, "set spares" in str(found)) == (Grade.WARNING, True)
