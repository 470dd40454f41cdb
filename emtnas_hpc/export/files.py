"""The files of an export: a module that runs without us, its weights, ONNX."""

import logging
import textwrap
import uuid
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from emtnas_hpc.checkpoint.atomic import write_file
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.errors import InputError
from emtnas_hpc.export.spec import ExportSpec
from emtnas_hpc.space.architecture import CellArchitecture, format_genotype
from emtnas_hpc.space.counts import count_macs, count_parameters

log = logging.getLogger(__name__)

#: Read as text, so that an architecture is exported without importing torch.
_PLAIN = Path(__file__).parents[1] / "plain.py"
#: What torch's exporter imports.
PACKAGES = ("onnx", "onnxscript")
_ADVICE = "choose another --output"


def write_export(
    specs: Sequence[ExportSpec],
    folder: Path,
    *,
    onnx: bool,
    force: bool,
) -> list[Path]:
    """Writes `<name>.py` of every network, `<name>.pt` where it has weights, and perhaps `.onnx`.

    Nothing is written before everything is ready. Files that are there with the same content may
    stay.

    Args:
        specs: what to export.
        folder: is made if need be.
        onnx: write ONNX besides.
        force: replace other files of these names, and export what diverged.

    Returns:
        The files.

    Raises:
        InputError: other files are there, two networks have one name, a package is missing, or a
            network diverged.
        DamagedError: weights are damaged.
        StorageError: the disk refused.
    """

    def refuse(problem: str, advice: str = "") -> None:
        if problem and not force:
            raise InputError(f"{problem}; {advice}export it all the same with --force")
        if problem:
            log.warning("warning: %s", problem)

    retrain = "retrain with a lower retraining.learning_rate, choose another --retraining, or "
    _refuse_what_cannot_be(specs, onnx)
    for spec in specs:
        refuse(spec.warning)
        if spec.retrained is not None:
            refuse(spec.retrained.divergence(), retrain)
    files = {folder / f"{spec.name}.py": module_source(spec).encode() for spec in specs}
    if not force:
        refuse_other_files(files)
    for spec in specs:
        if spec.retrained is None:
            continue
        from emtnas_hpc.export import networks  # takes torch

        network = networks.trained_network(spec.retrained)
        if not spec.retrained.record.diverged:
            refuse(spec.retrained.divergence(finite=networks.is_finite(network)), retrain)
        files[folder / f"{spec.name}.pt"] = networks.weights_bytes(network)
        if onnx:
            files[folder / f"{spec.name}.onnx"] = networks.onnx_bytes(network, spec.shape)
    if not force:
        refuse_other_files(files)
    write_files(files)
    return list(files)


def _refuse_what_cannot_be(specs: Sequence[ExportSpec], onnx: bool) -> None:
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{names.count(name)} networks would be called {name}; export one")
    if onnx and any(spec.retrained is None for spec in specs):
        raise InputError("--onnx holds weights, and there are none; export a finished retraining")
    missing = [name for name in PACKAGES if find_spec(name) is None] if onnx else []
    if missing:
        raise InputError(
            f"--onnx takes {' and '.join(missing)}, not installed here; "
            "install them with: pip install 'emtnas-hpc[onnx]'"
        )


def refuse_other_files(files: Mapping[Path, bytes]) -> None:
    """Makes sure that nothing else is where files are to be written; the very same may be.

    Raises:
        InputError: something else is.
        StorageError: it cannot be read.
    """
    for path, content in files.items():
        with storage_errors(path, "read", _ADVICE):
            try:
                same = path.read_bytes() == content
            except FileNotFoundError:
                continue
            except NotADirectoryError:
                raise InputError(
                    f"--output is {str(path.parent)!r}, which is a file or lies in one; expected a "
                    "directory, there or still to be made"
                ) from None
            except IsADirectoryError:
                same = False
        if not same:
            raise InputError(
                f"{path} is there already, and another one; replace it with --force, or choose "
                "another --output or --name"
            )


def write_files(files: Mapping[Path, bytes]) -> None:
    """Writes files in their order, each whole or not at all.

    Raises:
        StorageError: the disk refused.
    """
    for path, content in files.items():
        with storage_errors(path, advice=_ADVICE):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, content, uuid.uuid4().hex, _ADVICE)


_NORMALISE = '''\
#: Per channel, of pixel values in [0, 1].
MEAN = {mean!r}
STD = {std!r}


def normalise(pixels: Tensor) -> Tensor:
    """Maps pixels from 0 to 255, (n, {channels}, {size}, {size}), to what the network reads."""
    mean = torch.tensor(MEAN, device=pixels.device).view(-1, 1, 1)
    std = torch.tensor(STD, device=pixels.device).view(-1, 1, 1)
    return (pixels - 255 * mean) / (255 * std)


'''

_BUILD = '''\
REDUCTION: Blocks = (
{reduction}
)
NORMAL: Blocks = (
{normal}
)


def build(weights: str | None = None) -> nn.Module:
    """Makes the network, with the weights of a file; without one, as torch initialises it.

    It begins in training mode: call `eval()` before it classifies.
    """
    network = Network(
        REDUCTION,
        NORMAL,
        channels={channels},
        normal_cells={normal_cells},
        image_channels={image_channels},
        classes={classes},
        strided={strided},
    )
    if weights is not None:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network
'''


def module_source(spec: ExportSpec) -> str:
    """A module that needs nothing but torch: facts, the architecture, and the text of plain.py."""
    imports, classes = _PLAIN.read_text(encoding="utf-8").split("\n\n\n", 1)
    _docstring, imports = imports.split('"""\n\n')
    shape, normalisation = spec.shape, spec.normalisation
    normalise = ""
    if normalisation is not None:
        normalise = _NORMALISE.format(
            mean=normalisation.mean,
            std=normalisation.std,
            channels=shape.image_channels,
            size=shape.image_size,
        )
    build = _BUILD.format(
        reduction=_listed(spec.architecture.reduction),
        normal=_listed(spec.architecture.normal),
        channels=shape.channels,
        normal_cells=shape.n_normal,
        image_channels=shape.image_channels,
        classes=shape.n_classes,
        strided=shape.stem == "strided",
    )
    return f"{preface(spec)}\n{imports}\n\n{normalise}{build}\n\n{classes}"


def _listed(cell: CellArchitecture) -> str:
    return "\n".join(f"    {block},".replace("'", '"') for block in cell.named_blocks)


_WIDTH = 98
_LABEL_WIDTH = 12


def preface(spec: ExportSpec) -> str:
    """The docstring of the module."""
    lines = [
        "An image classifier in plain PyTorch, written by emtnas-hpc; it needs nothing but torch.",
        "",
        *_example(spec),
        "",
        *(line for fact in _facts(spec) for line in _aligned(*fact)),
        "",
        *_notes(spec),
    ]
    # Free text, such as who proposed a recipe, must not end the docstring or escape from it.
    text = "\n".join(lines).replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{text}\n"""\n'


def _example(spec: ExportSpec) -> Iterator[str]:
    shape = spec.shape
    size = f"(n, {shape.image_channels}, {shape.image_size}, {shape.image_size})"
    made = "build()" if spec.retrained is None else f'build("{spec.name}.pt").eval()'
    yield f"    from {spec.name} import build{', normalise' if spec.normalisation else ''}"
    yield ""
    yield f"    network = {made}"
    if spec.normalisation is not None:
        yield f"    logits = network(normalise(pixels))  # pixels from 0 to 255, {size}"
    else:
        yield f"    logits = network(images)  # normalised, {size}"


def _facts(spec: ExportSpec) -> Iterator[tuple[str, str]]:
    yield from spec.facts
    shape, architecture = spec.shape, spec.architecture
    macs, n_parameters = count_macs(architecture, shape), count_parameters(architecture, shape)
    n_all = count_parameters(architecture, shape, "all")
    yield "network", f"C = {shape.channels}, N = {shape.n_normal}, {macs:,} MACs for one image"
    yield (
        "parameters",
        f"{n_parameters:,}; {n_all:,} if the output slices that are not in use count as well, as "
        "they do in the paper's tables",
    )
    reduction, normal = format_genotype(architecture).split("; ")
    yield "genotype", f"{reduction};"
    yield "", normal


def _notes(spec: ExportSpec) -> Iterator[str]:
    yield "Dropout and drop path, which act in training only, are off unless masks are given."
    if spec.normalisation is not None and spec.normalisation.pool > 1:
        pool = spec.normalisation.pool
        yield f"The images were average-pooled by {pool} before they were normalised."
    if spec.retrained is None:
        yield "The network has not been trained."


def _aligned(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"{label:{_LABEL_WIDTH}}",
        subsequent_indent=" " * _LABEL_WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
    )
