import pytest

from emtnas_hpc.slurm.checks import CheckResult, Grade, check_site
from emtnas_hpc.slurm.profile import Profile
from emtnas_hpc.slurm.site import ClusterSettings, Partition

PARTITION = Partition("gpu", limit_min=1440, preempt_mode="REQUEUE", grace_s=10)
SITE = ClusterSettings(
    {
        "JobRequeue": "1",
        "PreemptType": "preempt/partition_prio",
        "SlurmctldParameters": "preempt_send_user_signal",
        "AccountingStorageType": "accounting_storage/slurmdbd",
    }
)
GPUS = {"rtx2080ti": 2}


def _findings(
    profile: dict[str, object] | None = None,
    *partitions: Partition,
    gpus: dict[str, int] = GPUS,
    **settings: str,
) -> list[CheckResult]:
    asked = Profile.model_validate({"partition": "gpu", "time": 600, **(profile or {})})
    site = ClusterSettings({**SITE.values, **settings})
    return list(check_site(asked, partitions, gpus, site))


def _checks(
    profile: dict[str, object] | None = None,
    partition: Partition = PARTITION,
    gpus: dict[str, int] = GPUS,
    **settings: str,
) -> dict[str, CheckResult]:
    found = _findings(profile, partition, gpus=gpus, **settings)
    return {finding.check: finding for finding in found}


def test_on_a_site_as_it_should_be_everything_is_fine() -> None:
    checks = _checks()
    assert {finding.grade for finding in checks.values()} == {Grade.FINE}
    assert {name: str(finding) for name, finding in checks.items()} == {
        "partition": "gpu is UP, its jobs may take up to 1-00:00:00; ours ask for 10:00:00",
        "GPUs": "a node has up to 2 x rtx2080ti; ours ask for gpu:1",
        "requeue": "jobs are requeued",
        "preemption": (
            "a job of gpu that has to make room is requeued after 10 s; it is told before"
        ),
        "accounting": "SLURM keeps accounts: `status` tells how a lost job ended",
    }


def test_a_partition_that_is_down_is_wrong() -> None:
    down, other = Partition("gpu", state="DOWN"), Partition("long", state="INACTIVE")
    grades = [found.grade for found in _findings(None, down, other) if found.check == "partition"]
    assert grades == [Grade.WRONG] * 2


def test_a_job_that_may_get_another_gpu_the_next_time_is_warned_of() -> None:
    found = _checks(gpus={"rtx2080ti": 2, "a100": 4})["GPUs"]
    assert found.grade is Grade.WARNING
    assert "not the same bit for bit" in str(found)
    chosen = _checks({"gpu_type": "a100"}, gpus={"rtx2080ti": 2, "a100": 4})["GPUs"]
    assert (chosen.grade, "gpu:a100:1" in str(chosen)) == (Grade.FINE, True)


def test_a_job_without_a_gpu_is_warned_of() -> None:
    assert _checks({"gpus": 0}, gpus={})["GPUs"].grade is Grade.WARNING


def test_a_site_that_does_not_requeue_is_warned_of() -> None:
    found = _checks(JobRequeue="0")["requeue"]
    assert (found.grade, "JobRequeue=0" in str(found)) == (Grade.WARNING, True)


def test_a_site_that_does_not_signal_preempted_jobs_is_warned_of() -> None:
    found = _checks(SlurmctldParameters="(null)")["preemption"]
    assert found.grade is Grade.WARNING
    assert "preempt_send_user_signal" in found.advice


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("CANCEL", "is cancelled at once, and its standby job goes on; it is told before"),
        ("GANG,SUSPEND", "is suspended at once, and goes on later"),
        ("OFF", "no job of gpu has to make room for another one"),
    ],
)
def test_every_kind_of_preemption_is_told(mode: str, said: str) -> None:
    found = _checks(partition=Partition("gpu", preempt_mode=mode))["preemption"]
    assert found.grade is Grade.FINE
    assert said in str(found)


def test_where_nothing_preempts_no_job_has_to_make_room() -> None:
    assert "no job" in str(_checks(PreemptType="preempt/none")["preemption"])


def test_of_several_partitions_each_is_told_and_the_gpus_once() -> None:
    other = Partition("long", limit_min=60, state="DRAIN", preempt_mode="CANCEL")
    found = _findings(None, PARTITION, other, gpus={"rtx2080ti": 2, "a100": 4})
    told = [(finding.check, finding.grade, str(finding).split()[0]) for finding in found]
    assert told[:3] == [
        ("partition", Grade.FINE, "gpu"),
        ("partition", Grade.WARNING, "long"),
        ("GPUs", Grade.WARNING, "a"),
    ]
    modes = [str(finding) for finding in found if finding.check == "preemption"]
    assert "a job of gpu that has to make room is requeued" in modes[0]
    assert "a job of long that has to make room is cancelled" in modes[1]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("preempt/qos", "their QOS decides (preempt/qos)"),
        ("preempt/new", "PreemptType is preempt/new"),
    ],
)
def test_where_the_partition_does_not_decide_it_is_said_that_nobody_can_tell(
    kind: str, said: str
) -> None:
    found = _checks(PreemptType=kind)["preemption"]
    assert found.grade is Grade.WARNING
    assert f"cannot tell whether jobs have to make room: {said}" in str(found)


def test_a_mode_of_preemption_that_is_not_known_is_no_verdict() -> None:
    found = _checks(partition=Partition("gpu", preempt_mode="WITHIN"))["preemption"]
    assert (found.grade, "cannot tell" in str(found)) == (Grade.WARNING, True)


def test_a_site_without_accounts_is_warned_of() -> None:
    found = _checks(AccountingStorageType="accounting_storage/none")["accounting"]
    assert found.grade is Grade.WARNING
