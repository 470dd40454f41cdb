"""A network of ours with the weights that a retraining ended with."""

from pathlib import Path

import torch

from emtnas_hpc.export.retrained import Retrained
from emtnas_hpc.space.genotype import parse_genotype
from emtnas_hpc.supernet import flat
from emtnas_hpc.supernet.network import Network
from emtnas_hpc.supernet.weights import load_weights


def trained_network(retrained: Retrained) -> Network:
    """Makes the network of a finished retraining, on the CPU.

    Raises:
        DamagedError: its weights are damaged, or gone.
    """
    header = retrained.record.header
    network = Network(header.shape, parse_genotype(header.genotype), torch.Generator())
    retrained.read_weights(lambda file: _load(network, file))
    return network


def _load(network: Network, file: Path) -> None:
    state = load_weights(file)
    for what, block, layout in (
        ("weights", network.weights, network.weights_layout),
        ("statistics", network.statistics, network.statistics_layout),
    ):
        flat.check(block, layout, state.get(what), state.get(f"{what}_layout"), what)
        block.copy_(state[what])
