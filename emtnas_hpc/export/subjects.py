"""What there is to say of a network: of a retrained one, an incumbent, or one from elsewhere."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from emtnas_hpc.errors import InputError
from emtnas_hpc.experiment import TaskSettings
from emtnas_hpc.export.retrained import Retrained
from emtnas_hpc.export.subject import Normalisation, Subject, is_taken, module_name
from emtnas_hpc.history import History
from emtnas_hpc.history.retraining import RetrainingHeader, TestResult
from emtnas_hpc.space.architecture import decode
from emtnas_hpc.space.genotype import parse_genotype
from emtnas_hpc.space.shape import NetworkShape
from emtnas_hpc.store.refusals import storage_errors


def retrained_subject(retrained: Retrained) -> Subject:
    """A network that has been trained from scratch.

    Raises:
        InputError: what the images were normalised by cannot be read.
    """
    header, test = retrained.record.header, retrained.record.test
    facts = [
        ("run", f"{header.experiment}, seed {header.seed}"),
        ("found on", _found_on(header)),
        ("trained on", f"{header.task}: {header.n_training:,} images, {_epochs(header.n_epochs)}"),
        ("recipe", f"{header.recipe} ({header.origin})"),
    ]
    if test is not None:
        diverged = retrained.record.diverged
        verdict = f"none: the training diverged in {diverged}" if diverged else _verdict(test)
        facts.append(("test", f"{verdict}, on {header.n_test:,} images"))
    return Subject(
        module_name(retrained.name),
        parse_genotype(header.genotype),
        header.shape,
        tuple(facts),
        _stored_normalisation(retrained.stage.identity, header),
        trained=True,
    )


def incumbent_subject(history: History, task: int, images: TaskSettings | None) -> Subject:
    """What a search has found for a task so far, without weights, in the search's own frame.

    Args:
        history: of the search.
        task: its skill factor.
        images: settings of the task; None where nobody remembers them.
    """
    header, found = history.header, history.incumbent(task)
    own = header.tasks[task]
    true_fitness = 100 * history.best_true_fitness(task)
    facts = (
        ("run", f"{header.name}, seed {header.seed}"),
        ("found on", f"{own.name}, individual {found.id} of the search"),
        ("search", f"generation {history.generation} of {header.n_generations}"),
        ("fitness", f"{true_fitness:.2f} % of the validation images, with the supernet's weights"),
    )
    return Subject(
        module_name(f"{own.name}-untrained"),
        decode(found.chromosome),
        own.shape,
        facts,
        None if images is None else _normalisation(images.model_dump(), own.shape),
    )


def genotype_subject(text: str, shape: NetworkShape) -> Subject:
    """An architecture that no search of ours has found.

    Raises:
        InputError: the text is no genotype.
    """
    return Subject("network", parse_genotype(text), shape)


def renamed(subject: Subject, name: str) -> Subject:
    """The same under a name that the user chose.

    Raises:
        InputError: no module can be called so, or another one is.
    """
    # Who types the name of a file means the module in it.
    better = module_name(re.sub(r"\.(py|pt|onnx)$", "", name.rpartition("/")[2]))
    if is_taken(name):
        raise InputError(
            f"--name is {name!r}, which is a module of Python or of a package; expected one that "
            f"is no other's, such as {f'network_{better}' if is_taken(better) else better}"
        )
    if better != name:
        raise InputError(
            f"--name is {name!r}, expected one that Python can import, such as {better}"
        )
    return replace(subject, name=name)


def _found_on(header: RetrainingHeader) -> str:
    if header.found_on is None:
        return "elsewhere: no search of this run"
    return f"{header.found_on}, individual {header.individual} of the search"


def _epochs(n: int) -> str:
    return "1 epoch" if n == 1 else f"{n:,} epochs"


def _verdict(test: TestResult) -> str:
    parts = [f"accuracy {100 * test.accuracy:.2f} %"]
    if test.top5 is not None:
        parts.append(f"top-5 {100 * test.top5:.2f} %")
    if test.auc is not None:
        parts.append(f"AUC {test.auc:.4f}")
    return ", ".join(parts)


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
    mean, std = (_per_channel(images[name], shape.image_channels) for name in ("mean", "std"))
    return Normalisation(mean, std, images["pool"])


def _per_channel(values: Any, n_channels: int) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    return numbers * n_channels if len(numbers) == 1 else numbers
