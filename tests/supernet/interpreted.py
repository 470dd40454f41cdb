"""Runs the Triton kernels in Triton's interpreter, on a CPU, and prints the errors as JSON.

In a process of its own: whether a kernel is interpreted is decided when its module is imported.
"""

import json
import os
import sys

os.environ["TRITON_INTERPRET"] = "1"

import torch
from torch.nn import functional as F

from emtnas_hpc.supernet import depthwise_triton

#: Edge and dilation.
KERNELS = ((3, 1), (5, 1), (7, 1), (3, 2), (5, 2))
#: Of images and kernels: several images of odd size whose channels are no power of two see all
#: kernels; one channel and fewer pixels than cells; rows wider than a tile; channels of two tiles.
CASES = (
    *(((2, 3, 2, 5), *kernel) for kernel in KERNELS),
    ((1, 1, 1, 2), 7, 1),
    ((1, 2, 1, 70), 3, 1),
    ((1, 40, 1, 60), 3, 2),
)


def draw(size: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.double() - expected).abs().max() / expected.abs().max())


def errors(size: tuple[int, int, int, int], kernel: int, dilation: int) -> dict[str, float]:
    channels = size[1]
    x, weight, gradient = draw(size, 0), draw((channels, 1, kernel, kernel), 1), draw(size, 2)
    ours = x.requires_grad_(), weight.requires_grad_()
    out = depthwise_triton.depthwise(*ours, dilation)
    found = out, *torch.autograd.grad(out, ours, gradient)
    exact = x.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    padding = dilation * (kernel // 2)
    value = F.conv2d(*exact, padding=padding, dilation=dilation, groups=channels)
    expected = value, *torch.autograd.grad(value, exact, gradient.double())
    names = ("value", "image gradient", "weight gradient")
    pairs = zip(names, found, expected, strict=True)
    return {name: error(a.detach(), b.detach()) for name, a, b in pairs}


def main() -> None:
    torch.set_num_threads(1)
    cases = {}
    for size, kernel, dilation in CASES:
        cases[f"{size} {kernel}x{kernel} dilation {dilation}"] = errors(size, kernel, dilation)
    x, weight = draw((1, 3, 4, 4), 0), draw((3, 1, 3, 3), 1)
    out = depthwise_triton.depthwise(x.requires_grad_(), weight, 1)
    (to_x,) = torch.autograd.grad(out.sum(), (x,))
    with torch.inference_mode():
        inferred = depthwise_triton.depthwise(x.detach(), weight, 1)
    result = {
        "cases": cases,
        "trial": depthwise_triton.trial(torch.device("cpu")),
        "without weight gradient": tuple(to_x.shape),
        "inference equals training": torch.equal(inferred, out.detach()),
        "memory format kept": out.is_contiguous(memory_format=torch.channels_last),
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
