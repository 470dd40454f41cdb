"""The exported network as torch runs it: its weights, its check, and the ONNX file."""

import copy
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emtnas_hpc.export.sources import edge_modules, module_source
from emtnas_hpc.export.subjects import Retrained, Subject
from emtnas_hpc.space.architecture import Architecture, NetworkShape, parse_genotype
from emtnas_hpc.supernet import weights
from emtnas_hpc.supernet.network import Network, edge_name
from emtnas_hpc.supernet.weights import load_weights


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
        weights.check(block, layout, state.get(what), state.get(f"{what}_layout"), what)
        block.copy_(state[what])


def weights_bytes(network: nn.Module) -> bytes:
    """A state dict as `torch.load(..., weights_only=True)` reads it; equal weights, equal bytes."""
    buffer = io.BytesIO()
    torch.save(dict(network.state_dict()), buffer)
    return buffer.getvalue()


#: Every runtime of the last years reads it, and torch's exporter writes it without a conversion.
OPSET = 18
#: That it is traced with; any other is as good, but one image alone would be taken for a constant.
_BATCH_SIZE = 2


def onnx_bytes(network: nn.Module, shape: NetworkShape) -> bytes:
    """A network in evaluation, as float32, from `images` to `logits`, for any number of images."""
    evaluated = copy.deepcopy(network).float().eval()
    images = torch.zeros(_BATCH_SIZE, shape.image_channels, shape.image_size, shape.image_size)
    with warnings.catch_warnings():
        # They are about the exporter's own future, and nobody here can heed them.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            evaluated,
            (images,),
            dynamo=True,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes={"images": {0: "n"}},
            opset_version=OPSET,
            external_data=False,
            verbose=False,
        )
    assert program is not None, "None is what the older exporter returns"
    model: bytes = program.model_proto.SerializeToString()
    return model
