"""The weights of a network of ours under the names that an exported module has for them."""

from collections.abc import Iterator

import torch
from torch import Tensor

from emtnas_hpc.export.cell_source import edge_modules
from emtnas_hpc.space.architecture import Architecture
from emtnas_hpc.space.shape import NetworkShape
from emtnas_hpc.supernet.cell import edge_name
from emtnas_hpc.supernet.network import Network


def exported_state(network: Network, architecture: Architecture) -> dict[str, Tensor]:
    """An architecture's weights and running statistics, by their names in its exported module.

    Args:
        network: a stand-alone network, or a supernet of which the architecture's part is taken.
        architecture: whose.

    Returns:
        Mostly views of the network's tensors: to be copied.
    """
    tensors = network.state_dict()
    modules = dict(_edge_modules(network.shape, architecture))
    state = {}
    for name, tensor in tensors.items():
        module, _dot, rest = _split_at_edge(name)
        if module in modules:
            state[f"{modules[module]}.{rest}"] = tensor
        elif ".edges." not in name and ".slices." not in name:
            state[name] = tensor
    for number, kind in enumerate(network.shape.cells):
        output = f"cells.{number}.output"
        slices = [f"{output}.slices.{block}.weight" for block in architecture.cell(kind).outputs]
        state[f"{output}.convolution.weight"] = torch.cat([tensors[s] for s in slices], dim=1)
    return state


def _edge_modules(shape: NetworkShape, architecture: Architecture) -> Iterator[tuple[str, str]]:
    """Every module of an edge: its name in a network of ours, and in the exported one."""
    for number, kind in enumerate(shape.cells):
        for edge, name in edge_modules(architecture.cell(kind)).items():
            yield f"cells.{number}.edges.{edge_name(edge)}", f"cells.{number}.{name}"


def _split_at_edge(name: str) -> tuple[str, str, str]:
    """Of `cells.0.edges.EDGE.norm.weight`: the edge's module, the dot, the rest."""
    cell, edges, rest = name.partition(".edges.")
    edge, dot, tensor = rest.partition(".")
    return f"{cell}{edges}{edge}", dot, tensor
