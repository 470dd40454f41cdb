"""What computes convolutions on CUDA; the kernels run in Triton's interpreter, on the CPU."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from emtnas_hpc.supernet import device
from emtnas_hpc.supernet.device import Kernels

pytestmark = pytest.mark.slow

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="Triton is not installed on this system"
)
CUDA = torch.device("cuda")


@pytest.fixture(scope="module")
def interpreted(once):
    def fill(folder):
        script = Path(__file__).with_name("interpreted.py")
        done = subprocess.run(
            [sys.executable, str(script)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        (folder / "errors.json").write_text(done.stdout.splitlines()[-1])

    return json.loads((once("kernels", fill) / "errors.json").read_text())


@needs_triton
def test_values_and_both_gradients_of_every_kernel_and_size_are_right(interpreted):
    assert len(interpreted["cases"]) == 8
    wrong = {
        f"{case}: {what}": error
        for case, errors in interpreted["cases"].items()
        for what, error in errors.items()
        if not error <= 1e-6
    }
    assert not wrong


@needs_triton
def test_the_trial_at_the_start_passes_where_the_kernels_are_right(interpreted):
    assert interpreted["trial"] <= 1e-6


@needs_triton
def test_images_alone_may_be_differentiated_and_evaluation_gives_the_same(interpreted):
    assert interpreted["without weight gradient"] == [1, 3, 4, 4]
    assert interpreted["inference equals training"]
    assert interpreted["memory format kept"]


@pytest.fixture
def card(monkeypatch):
    """Pretends that there is a card of this capability."""

    def pretend(*capability: int) -> None:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)

    return pretend


def test_without_triton_cudnn_is_used_and_a_line_says_why_and_what_it_costs(card, monkeypatch):
    card(8, 0)
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.delitem(sys.modules, "emtnas_hpc.supernet.depthwise_triton", raising=False)
    monkeypatch.delattr("emtnas_hpc.supernet.depthwise_triton", raising=False)
    chosen, remark = device.choose(CUDA, "tf32")
    assert chosen == Kernels(depthwise="cudnn", pointwise="cudnn")
    assert "ModuleNotFoundError" in remark
    assert "up to twice as long" in remark
    assert "\n" not in remark


@needs_triton
@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (lambda _device: 0.5, "a trial came out wrong by 5.0e-01, expected 1e-06"),
        (lambda _device: float("nan"), "a trial came out wrong by nan"),
        (lambda _device: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_a_trial_that_fails_leaves_it_to_cudnn(outcome, reason, card, monkeypatch):
    card(7, 5)
    monkeypatch.setattr("emtnas_hpc.supernet.depthwise_triton.trial", outcome)
    chosen, remark = device.choose(CUDA, "tf32")
    assert chosen.depthwise == "cudnn"
    assert reason in remark


@needs_triton
@pytest.mark.parametrize(
    ("capability", "precision", "pointwise"),
    [
        ((9, 0), "tf32", "cudnn"),
        ((9, 0), "fp32", "cublas"),
        ((7, 5), "tf32", "cublas"),
        ((7, 5), "fp32", "cublas"),
    ],
)
def test_pointwise_convolutions_are_matrix_products_where_all_is_full_float32(
    capability, precision, pointwise, card, monkeypatch
):
    card(*capability)
    monkeypatch.setattr("emtnas_hpc.supernet.depthwise_triton.trial", lambda _device: 1e-7)
    chosen, remark = device.choose(CUDA, precision)
    assert chosen == Kernels(depthwise="triton", pointwise=pointwise)
    assert remark == ""
