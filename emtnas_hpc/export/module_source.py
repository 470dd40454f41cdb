"""The whole source of an exported module."""

from emtnas_hpc.export.cell_source import cell_source
from emtnas_hpc.export.frame_source import OUTPUT, PROJECTION, network_source, stem_sources
from emtnas_hpc.export.operation_source import operation_sources
from emtnas_hpc.export.preface import preface
from emtnas_hpc.export.subject import Subject

_IMPORTS = """\
import torch
from torch import Tensor, nn
from torch.nn import functional as F
"""

_CONSTANTS = """\
#: Per channel, of pixel values in [0, 1].
MEAN = {mean!r}
STD = {std!r}
"""

_NORMALISE = '''\
def normalise(pixels: Tensor) -> Tensor:
    """Maps pixels from 0 to 255, (n, {channels}, {size}, {size}), to what the network reads."""
    mean = torch.tensor(MEAN, device=pixels.device).view(-1, 1, 1)
    std = torch.tensor(STD, device=pixels.device).view(-1, 1, 1)
    return (pixels - 255 * mean) / (255 * std)
'''

_BUILD = '''\
def build(weights: str | None = None) -> nn.Module:
    """Makes the network, with the weights of a file; without one, as torch initialises it.

    It begins in training mode: call `eval()` before it classifies.
    """
    network = Network()
    if weights is not None:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network
'''


def module_source(subject: Subject) -> str:
    """A module that needs nothing but torch; `build` in it makes the network."""
    architecture, normalisation = subject.architecture, subject.normalisation
    head, functions = [preface(subject), _IMPORTS], [_BUILD]
    if normalisation is not None:
        head.append(_CONSTANTS.format(mean=normalisation.mean, std=normalisation.std))
        size = subject.shape.image_size
        functions.insert(0, _NORMALISE.format(channels=subject.shape.image_channels, size=size))
    parts = [
        "\n".join(head),
        *functions,
        *stem_sources(subject.shape),
        PROJECTION,
        *operation_sources(architecture),
        OUTPUT,
        cell_source("reduction", architecture.reduction),
        cell_source("normal", architecture.normal),
        network_source(subject.shape),
    ]
    return "\n\n".join(parts)
