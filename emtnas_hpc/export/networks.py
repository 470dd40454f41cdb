"""Plain copies of our networks, and what is written of them. Takes torch."""

import copy
import io
import warnings

import torch
from torch import Tensor, nn

from emtnas_hpc import plain
from emtnas_hpc.export.spec import Retrained
from emtnas_hpc.space.architecture import Architecture, NetworkShape, parse_genotype
from emtnas_hpc.supernet import weights
from emtnas_hpc.supernet.network import Network, edge_name


def plain_copy(network: Network, architecture: Architecture) -> plain.Network:
    """The plain network of an architecture, with copies of the weights of one of ours.

    Args:
        network: a supernet, or the architecture's own.
        architecture: one that the network holds.
    """
    shape = network.shape
    # What torch's own initialisation draws is overwritten; its global generator stays put.
    with torch.random.fork_rng(devices=[]):
        made = plain.Network(
            architecture.reduction.named_blocks,
            architecture.normal.named_blocks,
            channels=shape.channels,
            normal_cells=shape.n_normal,
            image_channels=shape.image_channels,
            classes=shape.n_classes,
            strided=shape.stem == "strided",
        )
    made.to(device=network.device, dtype=network.weights.dtype)
    # The counters of batches, which only a mean over all of them would need, are left as they are.
    state = plain_names(network.state_dict(), architecture, shape)
    made.load_state_dict(made.state_dict() | state)
    return made


def plain_names(
    tensors: dict[str, Tensor], architecture: Architecture, shape: NetworkShape
) -> dict[str, Tensor]:
    """Tensors of one of our networks by their names in the architecture's plain network.

    What the architecture does not use is left out.

    Args:
        tensors: weights, gradients or statistics by name; views of them are returned mostly.
        architecture: whose.
        shape: of the network.
    """
    modules, outputs = {}, {}
    for number, kind in enumerate(shape.cells):
        cell = architecture.cell(kind)
        for block, (a, b) in enumerate(cell.blocks):
            modules[f"cells.{number}.edges.{edge_name(b)}"] = f"cells.{number}.block{block}_b"
            # The same as b where both branches are one operation.
            modules[f"cells.{number}.edges.{edge_name(a)}"] = f"cells.{number}.block{block}_a"
        output = f"cells.{number}.output"
        slices = [f"{output}.slices.{block}.weight" for block in cell.outputs]
        outputs[f"{output}.convolution.weight"] = slices
    renamed = {}
    for name, tensor in tensors.items():
        parts = name.split(".")
        if "edges" in parts:
            module = modules.get(".".join(parts[:4]))
            if module is not None:
                renamed[".".join((module, *parts[4:]))] = tensor
        elif "slices" not in parts:
            renamed[name] = tensor
    for name, slices in outputs.items():
        if all(each in tensors for each in slices):
            renamed[name] = torch.cat([tensors[each] for each in slices], dim=1)
    return renamed


def trained_network(retrained: Retrained) -> nn.Module:
    """The plain network of a finished retraining, with its weights, on the CPU.

    Raises:
        DamagedError: its weights are damaged, or gone.
    """
    header = retrained.record.header
    architecture = parse_genotype(header.genotype)
    network = Network(header.shape, architecture, torch.Generator())
    blocks = {
        "weights": (network.weights, network.weights_layout),
        "statistics": (network.statistics, network.statistics_layout),
    }
    retrained.read_weights(lambda file: weights.copy_blocks(weights.load_weights(file), blocks))
    return plain_copy(network, architecture)


def fresh_network(architecture: Architecture, shape: NetworkShape, seed: int) -> nn.Module:
    """A plain network with weights drawn as for a retraining."""
    generator = torch.Generator().manual_seed(seed)
    return plain_copy(Network(shape, architecture, generator), architecture)


def is_finite(network: nn.Module) -> bool:
    """Whether all weights and statistics are finite numbers."""
    return all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values())


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
        # They are about the exporter's own future.
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
