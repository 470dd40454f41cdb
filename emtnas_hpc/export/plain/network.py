"""An exported module brought to life without a file."""

from typing import Any

import torch
from torch import nn

from emtnas_hpc.export.module_source import module_source
from emtnas_hpc.export.plain.state import exported_state
from emtnas_hpc.export.subject import Subject
from emtnas_hpc.supernet.network import Network


def plain_network(subject: Subject, weights: Network) -> nn.Module:
    """The network of an exported module, with copies of the weights of one of ours.

    It is plain torch: it can be moved, cast and trained like any other module.

    Args:
        subject: what the module is of.
        weights: a network that holds the subject's architecture, in the subject's shape.
    """
    namespace: dict[str, Any] = {"__name__": subject.name}
    exec(compile(module_source(subject), f"<{subject.name}>", "exec"), namespace)
    # What torch's own initialisation draws is overwritten; its global generator stays put.
    with torch.random.fork_rng(devices=[]):
        network: nn.Module = namespace["build"]()
    network.to(weights.weights.dtype)
    # The counters of batches, which only a mean over all of them would need, are left as they are.
    state = network.state_dict() | exported_state(weights, subject.architecture)
    network.load_state_dict(state)
    return network


def fresh_network(subject: Subject, seed: int) -> nn.Module:
    """The network of an exported module, with weights drawn as for a retraining."""
    generator = torch.Generator().manual_seed(seed)
    return plain_network(subject, Network(subject.shape, subject.architecture, generator))
