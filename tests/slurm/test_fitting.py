from collections.abc import Mapping
from typing import Any

import pytest

from emtnas_hpc.errors import InputError
from emtnas_hpc.slurm.fit import fit_to_partition
from emtnas_hpc.slurm.profile import Layer, Resolved, default_layer, stack
from emtnas_hpc.slurm.site import ClusterNode, Partition

PARTITIONS = [
    Partition("gpu", True, 720),
    Partition("long", False, 10_080),
    Partition("endless", False, None),
]


NODE = ClusterNode(8, 64_000, {"rtx2080ti": 2})


def fitted(values: Mapping[str, Any]) -> Resolved:
    wanted = stack([default_layer(), Layer(values, "typed")])
    return fit_to_partition(wanted, PARTITIONS, lambda _name: [NODE])


def test_a_partition_that_nobody_named_is_slurms_default() -> None:
    resolved = fitted({})
    assert resolved.profile.partition == "gpu"
    assert resolved.origins["partition"] == "SLURM's default partition"


@pytest.mark.parametrize(
    ("partition", "minutes", "origin"),
    [
        ("gpu", 720, "the limit of partition gpu"),
        ("long", 1440, "the shipped default; partition long allows more"),
        ("endless", 1440, "the shipped default; partition endless allows more"),
        ("gpu,long", 720, "the limit of partition gpu,long"),
    ],
)
def test_a_job_takes_as_long_as_its_partition_allows_up_to_a_day(
    partition: str, minutes: int, origin: str
) -> None:
    resolved = fitted({"partition": partition})
    assert (resolved.profile.time, resolved.origins["time"]) == (minutes, origin)


def test_a_limit_that_was_asked_for_is_kept() -> None:
    resolved = fitted({"partition": "long", "time": "2-0"})
    assert (resolved.profile.time, resolved.origins["time"]) == (2880, "typed")


@pytest.mark.parametrize(("minutes", "lead_s"), [(1, 15), (4, 60), (8, 120), (720, 120)])
def test_of_a_short_limit_the_lead_time_is_a_quarter(minutes: int, lead_s: int) -> None:
    assert fitted({"time": minutes}).profile.lead_time_s == lead_s


def test_a_lead_time_that_was_asked_for_is_kept() -> None:
    assert fitted({"time": 2, "lead_time_s": 90}).profile.lead_time_s == 90


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"partition": "gup"},
            "no partition 'gup' (typed) on this cluster; did you mean gpu? "
            "there are: gpu, long, endless",
        ),
        (
            {"time": "1-0"},
            "time is 1-00:00:00 (typed), but partition gpu allows 12:00:00 at most",
        ),
        (
            {"time": 1, "lead_time_s": 60},
            "lead_time_s is 60 (typed), but the time limit is 60 s; "
            "a job would be told to stop when it begins",
        ),
    ],
)
def test_what_the_site_does_not_have_is_refused_with_what_it_has(
    values: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as refusal:
        fitted(values)
    assert str(refusal.value) == message


def test_what_no_node_has_is_refused() -> None:
    with pytest.raises(InputError, match=r"cpus is 9 \(typed\), but a node of gpu has 8 at most"):
        fitted({"cpus": 9})


def test_a_cluster_without_a_default_partition_asks_for_one() -> None:
    with pytest.raises(InputError, match="say --partition, one of long"):
        fit_to_partition(stack([default_layer()]), [Partition("long")], lambda _name: [NODE])


def test_limits_of_a_partition_are_those_of_its_nodes() -> None:
    partition = Partition("gpu", True, 720, cpus=3, memory_mb=8_192)
    fitted_ = fit_to_partition(stack([default_layer()]), [partition], lambda _name: [NODE])
    assert (fitted_.profile.cpus, fitted_.profile.memory_gb) == (3, 8)
    both = Layer({"partition": "gpu,long"}, "typed")
    of_two = fit_to_partition(
        stack([default_layer(), both]), [partition, Partition("long")], lambda _name: [NODE]
    )
    assert of_two.profile.cpus == 4
