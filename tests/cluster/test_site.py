import pytest

from emtnas_hpc.cluster.site import (
    Node,
    Partition,
    parse_nodes,
    parse_partitions,
    parse_site,
)

PARTITIONS = """\
PartitionName=gpu AllowGroups=ALL Default=YES DefaultTime=00:05:00 GraceTime=10 \
MaxNodes=UNLIMITED MaxTime=1-00:00:00 Nodes=n[1-2] PreemptMode=REQUEUE State=UP TRES=cpu=16,node=2
PartitionName=scav Default=NO GraceTime=0 MaxTime=UNLIMITED PreemptMode=CANCEL State=DRAIN
"""
SITE = """\
Configuration data as of 2026-11-24T07:49:21
AccountingStorageType   = accounting_storage/slurmdbd
JobRequeue              = 1
PreemptType             = preempt/partition_prio
SlurmctldParameters     = idle_on_node_suspend,preempt_send_user_signal
SLURM_VERSION           = 22.05.8

Slurmctld(primary) at vm is UP
"""


def test_partitions_are_read_with_their_limits() -> None:
    assert parse_partitions(PARTITIONS) == [
        Partition("gpu", True, 1440, "UP", "REQUEUE", 10),
        Partition("scav", False, None, "DRAIN", "CANCEL", 0),
    ]


def test_a_cluster_without_partitions_has_none() -> None:
    assert parse_partitions("No partitions in the system\n") == []


def test_the_settings_that_a_job_depends_on_are_read() -> None:
    site = parse_site(SITE)
    assert site.version == "22.05.8"
    assert site.requeues
    assert site.signals_preempted
    assert site.preemption == "partition_prio"
    assert site.keeps_accounts


def test_a_bare_site_does_nothing_by_itself() -> None:
    site = parse_site(
        "JobRequeue = 0\nPreemptType = preempt/none\n"
        "AccountingStorageType = accounting_storage/none\nSlurmctldParameters = (null)\n"
    )
    assert not site.requeues
    assert not site.signals_preempted
    assert site.preemption == "none"
    assert not site.keeps_accounts


@pytest.mark.parametrize(
    ("line", "node"),
    [
        ("8|64000|gpu:rtx2080ti:2", Node(8, 64000, {"rtx2080ti": 2})),
        ("8+|64000+|gpu:a:4(S:0-1),tmp:10G", Node(8, 64000, {"a": 4})),
        ("8|64000|gpu:2", Node(8, 64000, {"": 2})),
        ("8|64000|gpu:a:1,gpu:b:2", Node(8, 64000, {"a": 1, "b": 2})),
        ("8|64000|gpu:a:1(S:0),gpu:a:1(S:1)", Node(8, 64000, {"a": 2})),
        ("8|64000|(null)", Node(8, 64000)),
    ],
)
def test_nodes_are_read_with_their_gpus_by_type(line: str, node: Node) -> None:
    assert parse_nodes(f"{line}\n{line}\n") == [node, node]
