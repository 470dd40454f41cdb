"""What is exported: one network, where it comes from, and where its weights are."""

import hashlib
import math
import re
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import packages_distributions
from keyword import iskeyword
from pathlib import Path
from typing import Any, TypeVar, get_args

from emtnas_hpc.checkpoint.commits import read_committed, read_newest
from emtnas_hpc.checkpoint.os_errors import storage_errors
from emtnas_hpc.checkpoint.paths import RECORD, RunPaths, StagePaths
from emtnas_hpc.errors import DamagedError, InputError, StorageError
from emtnas_hpc.retraining.record import (
    METRICS,
    Retraining,
    RetrainingHeader,
    TestResult,
    read_retraining,
)
from emtnas_hpc.retraining.stage import WEIGHTS_NAME
from emtnas_hpc.search.history import History
from emtnas_hpc.settings.experiment import TaskSettings, per_channel
from emtnas_hpc.space.architecture import (
    Architecture,
    NetworkShape,
    StemKind,
    decode,
    parse_genotype,
    smallest_image,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Normalisation:
    """How pixels become what a network reads.

    Attributes:
        mean: per channel, of pixel values in [0, 1].
        std: likewise.
        pool: images are average-pooled by this factor before.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    pool: int = 1


@dataclass(frozen=True)
class Retrained:
    """A retraining that has committed something.

    Attributes:
        stage: where its commits are.
        record: the newest good one.
    """

    stage: StagePaths
    record: Retraining

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.stage.directory.name

    @property
    def task(self) -> str:
        """Where its architecture was found; if that was no task of the run, what it trained on."""
        return self.record.header.found_on or self.record.header.task

    def divergence(self, *, finite: bool = True) -> str:
        """That its training diverged, and where; empty if it did not.

        Args:
            finite: whether its weights are numbers, which an old record does not tell.
        """
        where = self.record.diverged or ("" if finite else "its last steps")
        if not where:
            return ""
        return f"{self.stage.directory} diverged in {where}: its weights are no result"

    def read_weights(self, read: Callable[[Path], T]) -> T:
        """Reads the weights that the test set was measured with.

        Raises:
            DamagedError: they are damaged, or gone.
        """
        found = read_newest(self.stage, WEIGHTS_NAME, lambda path: (path.parent, read(path)))
        newest = [self.stage.commit(step) for step in self.stage.steps()[-1:]]
        # An earlier commit would do for training on, but is not what was measured.
        if found is None or [found[0]] != newest:
            raise DamagedError(
                f"{self.stage.directory}: the newest commit has no good {WEIGHTS_NAME}; restore it "
                "from a backup, or move the folder away and let `emtnas-hpc retrain` begin anew"
            )
        return found[1]


@dataclass(frozen=True, kw_only=True)
class ExportSpec:
    """One network to export.

    Attributes:
        name: of the module, and of the files beside it.
        facts: what the module's first lines say of the network, each a label and a text.
        normalisation: of the images; None where it is not known.
        retrained: where its weights are; None for a network without.
        warning: what is wrong with the search that found it; empty if nothing is.
    """

    name: str
    architecture: Architecture
    shape: NetworkShape
    facts: tuple[tuple[str, str], ...] = ()
    normalisation: Normalisation | None = None
    retrained: Retrained | None = None
    warning: str = ""

    def renamed(self, name: str) -> "ExportSpec":
        """The same under a name that the user chose.

        Raises:
            InputError: no module can be called so, or another one is.
        """
        # A user who types a file's name means the module in it.
        better = module_name(re.sub(r"\.(py|pt|onnx)$", "", name.rpartition("/")[2]))
        if name in _taken_names():
            better = f"network_{better}" if better in _taken_names() else better
            raise InputError(
                f"--name is {name!r}, which is a module of Python or of a package; expected one "
                f"that is no other's, such as {better}"
            )
        if better != name:
            raise InputError(
                f"--name is {name!r}, expected one that Python can import, such as {better}"
            )
        return replace(self, name=name)


def retrained_spec(retrained: Retrained, warning: str = "") -> ExportSpec:
    """A network that has been trained from scratch.

    Raises:
        InputError: the normalisation of its images cannot be read.
    """
    header, test = retrained.record.header, retrained.record.test
    origin = "elsewhere: no search of this run"
    if header.found_on is not None:
        origin = f"{header.found_on}, individual {header.individual} of the search"
    epochs = "1 epoch" if header.n_epochs == 1 else f"{header.n_epochs:,} epochs"
    facts = [
        ("run", f"{header.experiment}, seed {header.seed}"),
        ("found on", origin),
        ("trained on", f"{header.task}: {header.n_training:,} images, {epochs}"),
        ("recipe", f"{header.recipe} ({header.origin})"),
    ]
    if test is not None:
        diverged = retrained.record.diverged
        result = f"none: the training diverged in {diverged}" if diverged else _in_words(test)
        facts.append(("test", f"{result}, on {header.n_test:,} images"))
    return ExportSpec(
        name=module_name(retrained.name),
        architecture=parse_genotype(header.genotype),
        shape=header.shape,
        facts=tuple(facts),
        normalisation=_stored_normalisation(retrained.stage.identity, header),
        retrained=retrained,
        warning=warning,
    )


def incumbent_spec(
    history: History, task: int, images: TaskSettings | None, warning: str = ""
) -> ExportSpec:
    """What a search has found for a task so far, without weights, in the shape of its supernet.

    Args:
        history: of the search.
        task: its skill factor.
        images: settings of the task; None where they are lost.
        warning: what is wrong with the search.
    """
    header, found = history.header, history.incumbent(task)
    own = header.tasks[task]
    true_fitness, fitness = history.best_true_fitness(task), "not measured yet"
    if not math.isnan(true_fitness):
        percent = f"{100 * true_fitness:.2f} %"
        fitness = f"{percent} of the validation images, with the supernet's weights"
    return ExportSpec(
        name=module_name(f"{own.name}-untrained"),
        architecture=decode(found.chromosome),
        shape=own.shape,
        facts=(
            ("run", f"{header.name}, seed {header.seed}"),
            ("found on", f"{own.name}, individual {found.id} of the search"),
            ("search", f"generation {history.generation} of {header.n_generations}"),
            ("fitness", fitness),
        ),
        normalisation=None if images is None else _normalisation(images.model_dump(), own.shape),
        warning=warning,
    )


def _in_words(test: TestResult) -> str:
    return ", ".join(
        f"{metric.name} {text} {metric.unit}".strip()
        for metric in METRICS
        if (text := metric.text(test))
    )


def _stored_normalisation(identity: Path, header: RetrainingHeader) -> Normalisation:
    """From the retraining's own settings: a run may not know the data set of a transfer."""
    try:
        with storage_errors(identity, "read"):
            values = tomllib.loads(identity.read_text(encoding="utf-8"))["identity"]
        prefix = f"task.{header.task}."
        images = {name: values[f"{prefix}{name}"] for name in ("mean", "std", "pool")}
        return _normalisation(images, header.shape)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{identity} is not the retraining.toml of a retraining: {error}"
        ) from None


def _normalisation(images: Mapping[str, Any], shape: NetworkShape) -> Normalisation:
    mean, std = (
        per_channel(tuple(map(float, images[name])), shape.image_channels)
        for name in ("mean", "std")
    )
    return Normalisation(mean, std, images["pool"])


def retrainings_of(paths: RunPaths, *, only_readable: bool = False) -> list[Retrained]:
    """Every retraining of a run that has a good record, by name.

    Args:
        paths: of the run.
        only_readable: leave out those that cannot be read.

    Raises:
        StorageError: one cannot be read.
    """
    found = []
    for stage in paths.retrainings():
        with suppress(*[StorageError] * only_readable):
            record = read_newest(stage, RECORD, read_retraining)
            found += [] if record is None else [Retrained(stage, record)]
    return found


def refuse_damaged(paths: RunPaths, name: str | None) -> None:
    """Tells a retraining that is damaged from one that was never made.

    Args:
        paths: of the run.
        name: of the only one that matters; None for all.

    Raises:
        DamagedError: none of a retraining's commits has a good record.
        StorageError: one cannot be read.
    """
    for stage in paths.retrainings():
        if name in (None, stage.directory.name):
            read_committed(stage, RECORD, read_retraining)


def choose(
    retrainings: Sequence[Retrained], run: Path, task: str | None, name: str | None
) -> list[Retrained]:
    """Of every task the finished retraining with the most normal cells, or the one that is named.

    Transfers to other data sets are chosen by name only.

    Args:
        retrainings: of the run.
        run: its directory, for messages.
        task: the only one, or all.
        name: of a retraining's folder.

    Raises:
        InputError: there is none, or several would do.
    """
    if name is not None:
        return [_named(retrainings, run, name)]
    own = [r for r in retrainings if r.record.finished and not r.record.header.is_transfer]
    tasks = sorted({r.task for r in own} if task is None else {task})
    chosen = [_deepest([r for r in own if r.task == each], each) for each in tasks]
    if not chosen or None in chosen:
        of_task = "" if task is None else f" of {task!r}"
        raise InputError(
            f"{run} has no finished retraining{of_task}; make one with `emtnas-hpc retrain {run}`, "
            "or export the architecture alone with --untrained"
        )
    return [each for each in chosen if each is not None]


def _named(retrainings: Sequence[Retrained], run: Path, name: str) -> Retrained:
    found = next((r for r in retrainings if r.name == name), None)
    if found is None:
        there = ", ".join(r.name for r in retrainings) or "none"
        raise InputError(f"--retraining is {name!r}, but {run} has {there}")
    if not found.record.finished:
        raise InputError(
            f"{name} has reached epoch {len(found.record.epochs)} of "
            f"{found.record.header.n_epochs}; finish it first with the command that began it"
        )
    return found


def _deepest(retrainings: Sequence[Retrained], task: str) -> Retrained | None:
    deepest = max((r.record.header.shape.n_normal for r in retrainings), default=None)
    found = [r for r in retrainings if r.record.header.shape.n_normal == deepest]
    if len(found) > 1:
        names = ", ".join(r.name for r in found)
        raise InputError(
            f"{task!r} has several retrainings as deep: {names}; say --retraining NAME"
        )
    return found[0] if found else None


_LONGEST_NAME = 64
_OF_TORCH = (
    *("PIL", "emtnas_hpc", "filelock", "fsspec", "jinja2", "matplotlib", "networkx", "numpy"),
    *("onnx", "onnxscript", "pandas", "psutil", "scipy", "sympy", "torch", "torchaudio"),
    *("torchvision", "tqdm", "triton", "typing_extensions", "yaml"),
)
#: Whatever is installed here, so that a network is called the same everywhere.
_PYTHONS_OR_TORCHS = frozenset(_OF_TORCH).union(sys.stdlib_module_names)


def module_name(text: str) -> str:
    """A name that Python can import: `digits-n2-quick+epochs=1` is `digits_n2_quick_epochs_1`.

    It is no other module's: in its folder an exported `torch.py` would be what it imports itself,
    and a `typing.py` what torch does.
    """
    name = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
    if not name[:1].isalpha() or iskeyword(name) or name in _PYTHONS_OR_TORCHS:
        name = f"network_{name}".rstrip("_")
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - len(digest) - 1]}_{digest}"


@cache
def _taken_names() -> frozenset[str]:
    """Modules of Python, of torch's packages, and of what is installed here."""
    return _PYTHONS_OR_TORCHS.union(packages_distributions())


_MOST = 1_000_000


def check_shape(shape: NetworkShape, write: Callable[[str], str] = str) -> NetworkShape:
    """Returns a shape that a network can have.

    Args:
        shape: what the user asks for.
        write: how the user calls a parameter, such as `as_option`.

    Raises:
        InputError: naming what was found and what is expected.
    """
    for name, value in (
        ("channels", shape.channels),
        ("normal_cells", shape.n_normal),
        ("classes", shape.n_classes),
    ):
        if not 1 <= value <= _MOST:
            raise InputError(f"{write(name)} is {value}, expected 1 to {_MOST:,}")
    if shape.image_channels not in (1, 3):
        raise InputError(f"{write('image_channels')} is {shape.image_channels}, expected 1 or 3")
    if shape.stem not in get_args(StemKind):
        known = " or ".join(map(repr, get_args(StemKind)))
        raise InputError(f"{write('stem')} is {shape.stem!r}, expected {known}")
    if shape.image_size < (smallest := smallest_image(shape.stem)):
        raise InputError(
            f"{write('image_size')} is {shape.image_size}, expected at least {smallest} pixels "
            f"for a {shape.stem} stem"
        )
    return shape


def as_option(name: str) -> str:
    """How the command line calls a parameter."""
    return f"--{name.replace('_', '-')}"
