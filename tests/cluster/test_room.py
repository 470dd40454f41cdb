from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from emtnas_hpc.cluster.profiles import Layer, default_layer, stack
from emtnas_hpc.cluster.room import check_room
from emtnas_hpc.cluster.site import Node
from emtnas_hpc.errors import InputError

SMALL = Node(8, 32_000, {"rtx2080ti": 2})
LARGE = Node(64, 256_000, {"a100": 8})
NO_GPU = Node(128, 512_000)


def check(values: Mapping[str, Any], *nodes: Node) -> None:
    check_room(stack([default_layer(), Layer({"partition": "gpu", **values}, "typed")]), nodes)


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
    values: Mapping[str, Any], nodes: Sequence[Node]
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
    values: Mapping[str, Any], nodes: Sequence[Node], message: str
) -> None:
    with pytest.raises(InputError) as refusal:
        check(values, *nodes)
    assert str(refusal.value) == message
