"""Plain networks compute what ours do, and so do their ONNX files."""

from dataclasses import replace

import pytest
import torch
from exported_networks import SPECIAL, drawn, images_of, shape_of, spec_of, trained

from emtnas_hpc.errors import InputError
from emtnas_hpc.export import files
from emtnas_hpc.export.networks import plain_copy
from emtnas_hpc.space.counts import count_parameters
from emtnas_hpc.supernet import operations
from emtnas_hpc.supernet.network import Network

pytestmark = pytest.mark.slow

CASES = {str(number): drawn(number) for number in range(10)} | SPECIAL
NUMBERED = [
    pytest.param(shape_of(number), architecture, id=name)
    for number, (name, architecture) in enumerate(CASES.items())
]
EXACT = {"rtol": 1e-12, "atol": 1e-12}
#: The furthest of these cases is 4e-6 off.
SINGLE = {"rtol": 2e-5, "atol": 2e-5}


@pytest.mark.parametrize(("shape", "architecture"), NUMBERED)
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, EXACT), (torch.float32, SINGLE)])
def test_evaluation_gives_our_logits(shape, architecture, dtype, close):
    network = trained(shape, architecture, dtype)
    exported = plain_copy(network, architecture).eval()
    images = images_of(shape, dtype)
    with torch.no_grad():
        ours = network(images, network.path(architecture), operations.running)
        torch.testing.assert_close(exported(images), ours, **close)


# The plain network's training is held to the supernet's for many more: tests/supernet.
@pytest.mark.parametrize(("shape", "architecture"), NUMBERED[:5])
def test_training_gives_our_logits_and_gradients(shape, architecture):
    network = trained(shape, architecture, torch.float64)
    exported = plain_copy(network, architecture)
    images = images_of(shape, torch.float64)
    path = network.path(architecture)
    ours, theirs = network(images, path, operations.training), exported(images)
    torch.testing.assert_close(theirs, ours, **EXACT)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    stem = exported.get_submodule("stem")
    for weight, other in zip(network.stem.parameters(), stem.parameters(), strict=True):
        torch.testing.assert_close(other.grad, weight.grad, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize(("shape", "architecture"), NUMBERED)
def test_it_has_the_parameters_that_are_in_use_and_no_others(shape, architecture):
    network = Network(shape, architecture, torch.Generator())
    exported = plain_copy(network, architecture)
    n_parameters = sum(parameter.numel() for parameter in exported.parameters())
    assert n_parameters == count_parameters(architecture, shape)


def test_a_supernet_hands_over_the_part_of_an_architecture():
    architecture, shape = drawn(3), shape_of(0)
    supernet = Network(shape, None, torch.Generator().manual_seed(0), dtype=torch.float64)
    exported = plain_copy(supernet, architecture)
    images = images_of(shape, torch.float64)
    ours = supernet(images, supernet.path(architecture), operations.batch)
    torch.testing.assert_close(exported(images), ours, **EXACT)


def test_making_it_moves_no_global_generator():
    network = trained(shape_of(0), drawn(0), torch.float32)
    before = torch.get_rng_state()
    plain_copy(network, drawn(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_its_weights_are_copies():
    network = trained(shape_of(0), drawn(0), torch.float32)
    exported = plain_copy(network, drawn(0))
    before = exported.get_parameter("classifier.weight").clone()
    network.weights.zero_()
    assert torch.equal(exported.get_parameter("classifier.weight"), before)


#: A network for larger images; one with the plain stem is exported as a user does it.
STRIDED = replace(shape_of(4), n_normal=1)


def test_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "PACKAGES", ("sys", "no_such_package"))
    with pytest.raises(InputError, match=r"takes no_such_package, .* pip install 'emtnas-hpc\[on"):
        files.write_export(
            [spec_of(SPECIAL["every operation"], shape_of(0))], tmp_path, onnx=True, force=False
        )
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_gives_our_logits_for_any_number_of_images():
    for package in files.PACKAGES:
        pytest.importorskip(package, reason=f"{package} is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from emtnas_hpc.export.networks import onnx_bytes

    architecture, shape = SPECIAL["every operation"], STRIDED
    network = plain_copy(trained(shape, architecture, torch.float32), architecture)
    model = onnx_bytes(network, shape)
    assert network.training
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options)
    network.eval()
    for n in (1, 2, 7):
        images = images_of(shape, torch.float32, n)
        (logits,) = session.run(["logits"], {"images": images.numpy()})
        with torch.no_grad():
            torch.testing.assert_close(
                torch.from_numpy(logits), network(images), rtol=1e-4, atol=1e-4
            )
