"""The exported module works where nothing of ours is installed."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from exported_networks import SPECIAL, drawn, shape_of, spec_of, trained

from emtnas_hpc.export.files import module_source
from emtnas_hpc.export.networks import plain_copy, weights_bytes
from emtnas_hpc.supernet import operations

pytestmark = pytest.mark.slow

ALONE = Path(__file__).parent / "alone.py"
ARCHITECTURES = [*map(drawn, range(6)), SPECIAL["every operation"]]


def pixels_of(shape):
    size = (6, shape.image_channels, shape.image_size, shape.image_size)
    generator = torch.Generator().manual_seed(2)
    return torch.randint(256, size, generator=generator, dtype=torch.uint8)


@pytest.fixture(scope="module")
def networks():
    return [trained(shape_of(n), a, torch.float32) for n, a in enumerate(ARCHITECTURES)]


@pytest.fixture(scope="module")
def logits(networks, tmp_path_factory):
    """What the modules say in a process that cannot import emtnas_hpc."""
    folder, elsewhere = tmp_path_factory.mktemp("modules"), tmp_path_factory.mktemp("empty")
    for number, network in enumerate(networks):
        spec = spec_of(network.architecture, network.shape, f"network_{number}")
        (folder / f"network_{number}.py").write_text(module_source(spec), encoding="utf-8")
        exported = plain_copy(network, network.architecture)
        (folder / f"network_{number}.pt").write_bytes(weights_bytes(exported))
        torch.save(pixels_of(network.shape), folder / f"network_{number}.pixels")
    done = subprocess.run(
        [sys.executable, "-I", "-W", "error", ALONE, folder],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, '["emtnas_hpc"]'), done.stderr
    return torch.load(folder / "logits", weights_only=True)


@pytest.mark.parametrize("number", range(len(ARCHITECTURES)))
def test_it_gives_our_logits_for_pixels(networks, logits, number):
    network = networks[number]
    # As batches are made for training, from bytes.
    images = (pixels_of(network.shape).to(torch.float32) - 127.5) / 127.5
    with torch.no_grad():
        ours = network(images, network.path(network.architecture), operations.running)
    torch.testing.assert_close(logits[f"network_{number}"], ours, rtol=1e-4, atol=1e-4)
    double = logits[f"network_{number} as float64"]
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), ours, rtol=1e-4, atol=1e-4)
