import pytest

from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.slurm.site import (
    ClusterNode,
    Partition,
    parse_cluster_settings,
    parse_nodes,
    parse_partitions,
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
    site = parse_cluster_settings(SITE)
    assert site.version == "22.05.8"
    assert site.requeues
    assert site.signals_preempted
    assert site.preemption == "partition_prio"
    assert site.keeps_accounts


def test_a_bare_site_does_nothing_by_itself() -> None:
    site = parse_cluster_settings(
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
        ("8|64000|gpu:rtx2080ti:2", ClusterNode(8, 64000, {"rtx2080ti": 2})),
        ("8+|64000+|gpu:a:4(S:0-1),tmp:10G", ClusterNode(8, 64000, {"a": 4})),
        ("8|64000|gpu:2", ClusterNode(8, 64000, {"": 2})),
        ("8|64000|gpu:a:1,gpu:b:2", ClusterNode(8, 64000, {"a": 1, "b": 2})),
        ("8|64000|gpu:a:1(S:0),gpu:a:1(S:1)", ClusterNode(8, 64000, {"a": 2})),
        ("8|64000|(null)", ClusterNode(8, 64000)),
    ],
)
def test_nodes_are_read_with_their_gpus_by_type(line: str, node: ClusterNode) -> None:
    assert parse_nodes(f"{line}\n{line}\n") == [node, node]


@pytest.mark.parametrize(
    ("line", "node"),
    [
        ("N/A|(null)|gpu:2", ClusterNode(None, None, {"": 2})),
        ("8|unknown|gpu:2", ClusterNode(8, None, {"": 2})),
        ("8||gpu:2", ClusterNode(8, None, {"": 2})),
        ("-1|UNLIMITED|gpu:2", ClusterNode(None, None, {"": 2})),
        ("8|64000|N/A", ClusterNode(8, 64000, None)),
        ("8|64000|gpu:", ClusterNode(8, 64000, None)),
        ("8|64000|tmp:10G", ClusterNode(8, 64000, {})),
        ("8|64000|gpu:99999999999999999999", ClusterNode(8, 64000, None)),
    ],
)
def test_what_sinfo_does_not_know_of_a_node_is_unknown(line: str, node: ClusterNode) -> None:
    assert parse_nodes(line + "\r\n") == [node]


def test_lines_that_are_none_of_sinfos_or_scontrols_are_said() -> None:
    nodes = parse_nodes("*** note ***\n| a | b |\n8|64000|gpu:2\n")
    partitions = parse_partitions("*** note ***\nPartitionName=gpu\n")
    assert (len(nodes), len(partitions)) == (1, 1)
    assert [nodes.notice, partitions.notice] == [
        'sinfo printed 2 lines that are none of a node\'s, the first: "*** note ***"',
        'scontrol printed a line that is none of a partition\'s: "*** note ***"',
    ]


def test_an_answer_that_is_all_something_else_is_an_error_that_quotes_it() -> None:
    with pytest.raises(SchedulerError, match=r'sinfo said "\*\*\* note" instead of nodes'):
        parse_nodes("*** note\n")
    with pytest.raises(SchedulerError, match='scontrol said "# a" and 1 more line instead of par'):
        parse_partitions("# a\n# b\n")
    with pytest.raises(SchedulerError, match="instead of SLURM's settings"):
        parse_cluster_settings("no\n")


@pytest.mark.parametrize("text", ["INVALID", "N/A", "(null)", "", "-5", "9" * 5000])
def test_a_limit_that_is_none_is_no_limit(text: str) -> None:
    line = f"PartitionName=gpu MaxTime={text} GraceTime={text} MaxMemPerNode={text}\n"
    assert parse_partitions(line) == [Partition("gpu")]


def test_what_a_partition_gives_of_a_node_is_read() -> None:
    [partition] = parse_partitions("PartitionName=gpu MaxCPUsPerNode=6 MaxMemPerNode=12000\n")
    assert (partition.cpus, partition.memory_mb) == (6, 12000)
