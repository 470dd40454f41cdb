"""The first lines of an exported module: what it is, how it is used, where it comes from."""

import textwrap
from collections.abc import Iterator

from emtnas_hpc.export.subject import Subject
from emtnas_hpc.space.counts import count_macs, count_parameters
from emtnas_hpc.space.genotype import format_genotype

_WIDTH = 98
_LABEL_WIDTH = 12


def preface(subject: Subject) -> str:
    """The docstring of the module."""
    lines = [
        "An image classifier in plain PyTorch, written by emtnas-hpc; it needs nothing but torch.",
        "",
        *_example(subject),
        "",
        *(line for fact in _facts(subject) for line in _aligned(*fact)),
        "",
        *_notes(subject),
    ]
    # Free text, such as who proposed a recipe, must not end the docstring or escape from it.
    text = "\n".join(lines).replace("\\", "\\\\").replace('"""', "'''")
    return f'"""{text}\n"""\n'


def _example(subject: Subject) -> Iterator[str]:
    shape = subject.shape
    size = f"(n, {shape.image_channels}, {shape.image_size}, {shape.image_size})"
    normalised = subject.normalisation is not None
    made = f'build("{subject.name}.pt").eval()' if subject.trained else "build()"
    yield f"    from {subject.name} import build{', normalise' if normalised else ''}"
    yield ""
    yield f"    network = {made}"
    if normalised:
        yield f"    logits = network(normalise(pixels))  # pixels from 0 to 255, {size}"
    else:
        yield f"    logits = network(images)  # normalised, {size}"


def _facts(subject: Subject) -> Iterator[tuple[str, str]]:
    yield from subject.facts
    shape, architecture = subject.shape, subject.architecture
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


def _notes(subject: Subject) -> Iterator[str]:
    pool = subject.normalisation.pool if subject.normalisation else 1
    notes = "Dropout and drop path, which act in training only, are left out."
    if pool > 1:
        notes += f" The images were average-pooled by {pool} before they were normalised."
    if not subject.trained:
        notes += " The network has not been trained."
    return iter(textwrap.wrap(notes, _WIDTH))


def _aligned(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=f"{label:{_LABEL_WIDTH}}",
        subsequent_indent=" " * _LABEL_WIDTH,
        break_long_words=False,
        break_on_hyphens=False,
    )
