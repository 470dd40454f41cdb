import pytest

from emtnas_hpc.slurm.queue import QueuedJob, why_it_waits


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("Resources", "waits for free nodes"),
        ("ReqNodeNotAvail, UnavailableNodes:n1", "waits: nodes that it needs are down or reserved"),
        ("QOSMaxGRESPerUser", "waits: a limit of your account or QOS is reached"),
        ("AssocGrpGRES", "waits: a limit of your account or QOS is reached (AssocGrpGRES)"),
        ("MaxJobsPerAccount", "waits: a limit of your account or QOS is reached"),
        ("JobHeldUser", "is held; `scontrol release` lets it go"),
        ("launch failed requeued held", "is held (launch failed requeued held)"),
        ("FrontEndDown", "waits (FrontEndDown)"),
        ("", "waits (SLURM says not why)"),
    ],
)
def test_a_reason_is_told_in_words_and_an_unknown_one_as_it_is(reason: str, said: str) -> None:
    assert why_it_waits(QueuedJob("1", "a", "PENDING", reason)).startswith(said)
