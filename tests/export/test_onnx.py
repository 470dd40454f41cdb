"""ONNX, where the packages for it are there."""

import pytest
import torch
from exported_networks import SPECIAL, images_of, shape_of, spec_of, trained

from emtnas_hpc.errors import InputError
from emtnas_hpc.export import files
from emtnas_hpc.export.networks import plain_copy

#: A network for larger images; one with the plain stem is exported as a user does it.
STRIDED = 4


def test_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "PACKAGES", ("sys", "no_such_package"))
    with pytest.raises(InputError, match=r"takes no_such_package, .* pip install 'emtnas-hpc\[on"):
        files.write_export(
            [spec_of(SPECIAL["every operation"], shape_of(0))], tmp_path, onnx=True, force=False
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_runtime_gives_our_logits_for_any_number_of_images():
    for package in files.PACKAGES:
        pytest.importorskip(package, reason=f"{package} is not installed")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from emtnas_hpc.export.networks import onnx_bytes

    architecture, shape = SPECIAL["every operation"], shape_of(STRIDED)
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
