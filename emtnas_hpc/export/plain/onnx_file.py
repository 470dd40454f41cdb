"""An exported network as ONNX."""

import copy
import warnings

import torch
from torch import nn

from emtnas_hpc.space.shape import NetworkShape

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
