from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from emtnas_hpc.errors import InputError
from emtnas_hpc.slurm.fit import check_capacity, lower_defaults
from emtnas_hpc.slurm.profile import Layer, Resolved, default_layer, stack
from emtnas_hpc.slurm.site import ClusterNode

SMALL = ClusterNode(8, 32_000, {"rtx2080ti": 2})
LARGE = ClusterNode(64, 256_000, {"a100": 8})
NO_GPU = ClusterNode(128, 512_000)


def asked(values: Mapping[str, Any]) -> Resolved:
    return stack([default_layer(), Layer({"partition": "gpu", **values}, "typed")])


def check(values: Mapping[str, Any], *nodes: ClusterNode) -> None:
    check_capacity(asked(values), nodes)


@pytest.mark.parametrize(
    ("values", "nodes"),
    [
        ({}, [SMALL]),
        ({"gpu_type": "a100", "gpus": 8}, [SMALL, LARGE]),
        ({"gpus": 8, "cpus": 64}, [SMALL, LARGE]),
        ({"gpus": 2, "memory_gb": 31.25}, [SMALL]),
        ({"gpus": 0, "cpus": 128}, [SMALL, NO_GPU]),
        ({"gpus": 0}, []),
    ],
)
def test_what_one_node_can_give_is_let_through(
    values: Mapping[str, Any], nodes: Sequence[ClusterNode]
) -> None:
    check(values, *nodes)


@pytest.mark.parametrize(
    ("values", "nodes", "message"),
    [
        (
            {},
            [NO_GPU],
            "gpus is 1 (the shipped default), but partition gpu has none that SLURM knows of; "
            "choose another partition, or --gpus 0",
        ),
        (
            {"gpu_type": "v100"},
            [SMALL, LARGE],
            "gpu_type is 'v100' (typed), but partition gpu has rtx2080ti (2 a node), "
            "a100 (8 a node)",
        ),
        (
            {"gpu_type": "rtx2080ti", "gpus": 3},
            [SMALL, LARGE],
            "gpus is 3 (typed), but partition gpu has rtx2080ti (2 a node), a100 (8 a node)",
        ),
        ({"gpus": 9}, [LARGE], "gpus is 9 (typed), but partition gpu has a100 (8 a node)"),
        ({"cpus": 9}, [SMALL], "cpus is 9 (typed), but a node of gpu has 8 at most"),
        (
            {"memory_gb": 32},
            [SMALL],
            "memory_gb is 32 (typed), but a node of gpu has 31.2 at most",
        ),
        (
            {"gpus": 1, "memory_gb": 300},
            [LARGE, NO_GPU],
            "no node of partition gpu has 4 CPUs, 300 GB and 1 GPUs together; "
            "ask for less of one of them",
        ),
    ],
)
def test_what_no_node_can_give_is_refused_with_what_is_there(
    values: Mapping[str, Any], nodes: Sequence[ClusterNode], message: str
) -> None:
    with pytest.raises(InputError) as refusal:
        check(values, *nodes)
    assert str(refusal.value) == message


TINY = ClusterNode(2, 15_973, {"": 1})


@pytest.mark.parametrize(
    ("values", "nodes", "cpus", "memory_gb"),
    [
        ({}, [TINY], 2, 15.5),
        ({}, [ClusterNode(8, 15_973, {"": 1})], 4, 15.5),
        ({}, [ClusterNode(2, 64_000, {"": 1})], 2, 16),
        ({}, [TINY, SMALL], 4, 16),
        ({}, [TINY, NO_GPU], 2, 15.5),
        ({"gpus": 2}, [ClusterNode(64, 64_000, {"": 1}), ClusterNode(3, 8_192, {"": 2})], 3, 8),
        ({"cpus": 2}, [TINY], 2, 15.5),
        ({"memory_gb": 2}, [TINY], 2, 2),
        ({"memory_gb": 0}, [TINY], 2, 0),
        ({"sbatch": {"mem-per-cpu": "4G"}}, [TINY], 2, 0),
        ({}, [ClusterNode(None, None, {"": 1})], 4, 16),
        ({}, [ClusterNode(2, None, None)], 2, 16),
    ],
)
def test_what_nobody_asked_for_is_lowered_to_what_a_node_has_that_gives_the_rest(
    values: Mapping[str, Any], nodes: Sequence[ClusterNode], cpus: int, memory_gb: float
) -> None:
    lowered = lower_defaults(asked(values), nodes)
    check_capacity(lowered, nodes)
    assert (lowered.profile.cpus, lowered.profile.memory_gb) == (cpus, memory_gb)


def test_a_default_that_was_lowered_says_what_it_was_and_why() -> None:
    lowered = lower_defaults(asked({}), [TINY])
    origin = "of 16 (the shipped default): the largest node of partition gpu"
    assert lowered.origins["memory_gb"] == origin


def test_what_was_asked_for_is_refused_and_never_lowered() -> None:
    for values in ({"memory_gb": 16}, {"cpus": 4}):
        with pytest.raises(InputError, match=r"is (16|4) \(typed\), but a node of gpu has"):
            check_capacity(lower_defaults(asked(values), [TINY]), [TINY])


def test_nodes_of_which_nothing_is_known_keep_nobody_out() -> None:
    check({"memory_gb": 1000, "cpus": 100, "gpus": 4}, ClusterNode(None, None, None))


def test_defaults_stay_where_a_partition_shows_no_nodes() -> None:
    wanted = asked({"gpus": 0})
    assert lower_defaults(wanted, []) == wanted
