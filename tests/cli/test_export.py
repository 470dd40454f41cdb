"""`export` as a user types it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_line import TINY_SETTINGS, Emtnas, run_here, snapshot

from emtnas_hpc.export import files

pytestmark = pytest.mark.slow

RETRAINED = (
    "cifar",
    *(
        word
        for setting in (
            *(text for text in TINY_SETTINGS if not text.startswith("retraining")),
            "retraining.normal_cells=[1,2]",
            "retraining.recipe=quick",
            "retraining.epochs=1",
            "retraining.channels=2",
        )
        for word in ("--set", setting)
    ),
)
NAMES = [f"digits_n{n}_quick_channels_2_epochs_1" for n in (1, 2)]
GENOTYPE = (
    "reduction: sep_3x3(x) + max_3x3(x_prev), identity(x) + identity(x), dil_3x3(x) + avg_3x3(x), "
    "identity(x) + identity(x), identity(x) + identity(x); "
    "normal: sep_5x5(x) + max_3x3(x_prev), identity(x) + identity(x), dil_1x1(x) + avg_3x3(x), "
    "identity(x) + identity(x), identity(x) + identity(x)"
)

Once = Callable[[str, Callable[[Path], None]], Path]

REFUSED = """
import sys
from emtnas_hpc.cli.app import run_command_line
code = run_command_line(sys.argv[1:])
sys.exit(99 if "torch" in sys.modules else code)
"""


@pytest.fixture(scope="session")
def retrained(once: Once, data: Path) -> Path:
    """A runs directory with a finished run and its retrainings. Not to be written to."""

    def fill(folder: Path) -> None:
        result = run_here("run", *RETRAINED, "--name", "tiny", "--runs", folder, "--data", data)
        assert result.code == 0, result.err

    return once("retrained", fill)


@pytest.fixture
def export(retrained: Path, emtnas: Emtnas) -> Callable[..., object]:
    """Exports the retrained run, to `out`."""

    def run(*arguments: object) -> object:
        return emtnas("export", "tiny", "--runs", retrained, "--output", "out", *arguments)

    return run


def load(folder: Path, name: str, weights: bool) -> torch.nn.Module:
    """The network of an exported module."""
    namespace: dict[str, object] = {"__name__": name}
    exec((folder / f"{name}.py").read_text(encoding="utf-8"), namespace)
    build = namespace["build"]
    assert callable(build)
    network = build(str(folder / f"{name}.pt")) if weights else build()
    assert isinstance(network, torch.nn.Module)
    return network.eval()


def test_the_deepest_retraining_is_written_with_its_weights(export, here: Path) -> None:
    result = export()
    assert (result.code, result.err) == (0, "")
    assert result.out == f"out/{NAMES[1]}.py\nout/{NAMES[1]}.pt\n"
    assert {path.name for path in (here / "out").iterdir()} == {f"{NAMES[1]}.py", f"{NAMES[1]}.pt"}
    logits = load(here / "out", NAMES[1], weights=True)(torch.zeros(2, 1, 8, 8))
    assert logits.shape == (2, 10)


def test_its_test_accuracy_is_that_of_the_retraining(
    export, here: Path, retrained: Path, data: Path
) -> None:
    export()
    from emtnas_hpc.checkpoint.paths import RunPaths
    from emtnas_hpc.data.dataset import open_copy
    from emtnas_hpc.data.sources import REGISTRY
    from emtnas_hpc.export.spec import retrainings_of

    found = retrainings_of(RunPaths(retrained / "tiny" / "seed-0"))[1].record
    digits = open_copy("digits", REGISTRY["digits"], data, None).load("test")
    pixels = torch.from_numpy(digits.images).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        classes = load(here / "out", NAMES[1], weights=True)(pixels / 127.5 - 1).argmax(dim=1)
    accuracy = (classes == torch.from_numpy(digits.labels)).double().mean().item()
    assert found.test is not None
    assert accuracy == pytest.approx(found.test.accuracy, abs=1.5 / len(digits))


def test_repeated_it_changes_nothing(export, here: Path) -> None:
    first = export()
    before = snapshot(here / "out")
    assert export() == first
    assert snapshot(here / "out") == before


def test_another_file_of_that_name_is_kept_unless_force_is_given(export, here: Path) -> None:
    (here / "out").mkdir()
    for suffix in (".py", ".pt"):
        mine = here / "out" / f"{NAMES[1]}{suffix}"
        mine.write_text("mine")
        result = export()
        assert result.code == 2
        assert result.err.startswith(f"error: out/{NAMES[1]}{suffix} is there already")
        assert snapshot(here / "out") == {mine.name: b"mine"}
        mine.unlink()
    (here / "out" / f"{NAMES[1]}.py").write_text("mine")
    assert export("--force").code == 0
    assert "class Network" in (here / "out" / f"{NAMES[1]}.py").read_text()


def test_an_output_that_is_a_file_is_refused(export, here: Path) -> None:
    (here / "file").touch()
    result = export("--output", "file")
    assert result.code == 2
    assert "--output is 'file', which is a file or lies in one; expected a directory" in result.err


def test_a_retraining_and_a_name_can_be_chosen(export, here: Path) -> None:
    name = "digits-n1-quick+channels=2+epochs=1"
    assert export("--retraining", name).out.startswith(f"out/{NAMES[0]}.py\n")
    assert export("--task", "digits", "--name", "best").out == "out/best.py\nout/best.pt\n"
    assert "from best import build, normalise" in (here / "out" / "best.py").read_text()


def test_what_was_found_is_written_without_weights_as_wide_and_deep_as_asked(
    emtnas: Emtnas, here: Path, finished: Path
) -> None:
    arguments = ("tiny/seed-1", "--runs", finished, "--untrained", "--output", "out")
    result = emtnas("export", *arguments, "--channels", 4, "--normal-cells", 2)
    assert (result.code, result.out) == (0, "out/digits_untrained.py\n")
    network = load(here / "out", "digits_untrained", weights=False)
    assert len(network.get_submodule("cells").state_dict()) > 0
    assert network.get_parameter("classifier.weight").shape == (10, 16)


def test_an_architecture_from_elsewhere_needs_no_run(emtnas: Emtnas, here: Path) -> None:
    frame = ("--channels", 4, "--normal-cells", 1, "--classes", 7)
    images = ("--image-size", 16, "--image-channels", 1)
    result = emtnas("export", "--genotype", GENOTYPE, *frame, *images, "--output", "out")
    assert (result.code, result.out) == (0, "out/network.py\n")
    network = load(here / "out", "network", weights=False)
    assert network(torch.zeros(2, 1, 16, 16)).shape == (2, 7)


def test_onnx_is_written_beside_it(export, here: Path) -> None:
    for package in files.PACKAGES:
        pytest.importorskip(package, reason=f"{package} is not installed")
    result = export("--onnx", "--retraining", "digits-n1-quick+channels=2+epochs=1")
    assert result.out.splitlines() == [f"out/{NAMES[0]}.{end}" for end in ("py", "pt", "onnx")]
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    session = onnxruntime.InferenceSession(str(here / "out" / f"{NAMES[0]}.onnx"))
    images = torch.randn(2, 1, 8, 8)
    (logits,) = session.run(["logits"], {"images": images.numpy()})
    with torch.no_grad():
        ours = load(here / "out", NAMES[0], weights=True)(images)
    torch.testing.assert_close(torch.from_numpy(logits), ours, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--task", "cifar10"), "has no finished retraining of 'cifar10'; make one with"),
        (("--retraining", "x"), "--retraining is 'x', but"),
        (("--retraining", "x", "--task", "digits"), "--task and --retraining exclude each other"),
        (("--channels", 4), "--channels is for --genotype or --untrained; the network of"),
        (("--untrained", "--classes", 4), "--classes is for --genotype; the network of"),
        (("--untrained", "--task", "x"), "--task is 'x', but the search has digits"),
        (("--untrained", "--retraining", "x"), "--untrained and --retraining exclude each other"),
        (("--untrained", "--channels", 0), "--channels is 0, expected 1 to"),
        (("--untrained", "--onnx"), "--onnx holds weights, and there are none"),
        (("--genotype", GENOTYPE), "--genotype and RUN exclude each other"),
        (("--name", "a-b"), "--name is 'a-b', expected one that Python can import, such as a_b"),
        (("--name", ""), "--name is '', expected one that Python can import, such as network"),
        (("--name", "x/net"), "'x/net', expected one that Python can import, such as net"),
        (("--name", "net.py"), "'net.py', expected one that Python can import, such as net"),
        (("--name", "class"), "expected one that Python can import, such as network_class"),
        (("--name", "1abc"), "expected one that Python can import, such as network_1abc"),
        *(
            (
                ("--name", taken),
                f"--name is {taken!r}, which is a module of Python or of a package; expected one "
                f"that is no other's, such as network_{taken}",
            )
            for taken in ("torch", "numpy", "typing", "math", "json", "pytest", "yaml", "sympy")
        ),
    ],
    ids=lambda value: " ".join(map(str, value))[:40] if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_refused_in_one_line(
    export, here: Path, arguments: tuple[object, ...], line: str
) -> None:
    result = export(*arguments)
    assert result.code == 2
    assert line in result.err
    assert result.err.count("\n") == 1
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "no run is named; name one, or give --genotype"),
        (("--genotype", "nonsense"), "genotype: found 1 cells, expected 2"),
        (("--genotype", GENOTYPE, "--task", "digits"), "--genotype and --task exclude each other"),
        (("--genotype", GENOTYPE, "--untrained"), "--genotype and --untrained exclude each other"),
        (("--genotype", GENOTYPE, "--image-size", 7), "--image-size is 7, expected at least 8"),
        (("--genotype", GENOTYPE, "--image-channels", 2), "--image-channels is 2, expected 1 or 3"),
    ],
    ids=["nothing", "nonsense", "task", "untrained", "small", "channels"],
)
def test_without_a_run_likewise(
    emtnas: Emtnas, here: Path, arguments: tuple[object, ...], line: str
) -> None:
    result = emtnas("export", *arguments, "--output", "out")
    assert result.code == 2
    assert line in result.err
    assert list(here.iterdir()) == []


def test_a_run_without_a_retraining_says_what_to_do(emtnas: Emtnas, finished: Path) -> None:
    result = emtnas("export", finished / "tiny" / "seed-0", "--output", "out")
    assert result.code == 2
    assert f"`emtnas-hpc retrain {finished}/tiny/seed-0`, or export" in result.err
    assert "--untrained" in result.err


@pytest.mark.parametrize("what", ["unfinished", "onnx", "there"])
def test_refusals_do_not_import_torch(
    environment: dict[str, str], here: Path, finished: Path, retrained: Path, what: str
) -> None:
    run = (finished if what == "unfinished" else retrained) / "tiny" / "seed-0"
    arguments = ["export", str(run), "--output", "out"]
    if what == "onnx":
        arguments += ["--untrained", "--onnx"]
    if what == "there":
        (here / "out").mkdir()
        (here / "out" / f"{NAMES[1]}.py").write_text("mine")
    done = subprocess.run([sys.executable, "-c", REFUSED, *arguments], env=environment, check=False)
    assert done.returncode == 2
