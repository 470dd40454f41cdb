"""The record of a retraining as JSON: its curve and, in the end, the result on the test set."""

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from emtnas_hpc.checkpoint.manifest import Summary, TaskSummary, median_of_newest
from emtnas_hpc.errors import DamagedError
from emtnas_hpc.space.architecture import NetworkShape

#: Within a commit of a retraining.
#: Of the file's layout.
_SCHEMA = 1


@dataclass(frozen=True)
class RetrainingHeader:
    """The constants of a retraining.

    Attributes:
        task: data set that it trains on.
        found_on: task whose incumbent it is; None for an architecture from elsewhere.
        individual: id of that incumbent in its search, None likewise.
        recipe: label of its settings.
        origin: who proposed the recipe.
        n_training: images trained on; the validation images are among them, or unused.
        experiment_signature: seeds must share it to be averaged; neither the seed nor what they
            found is in it.
        search_signature: of the search that found the architecture, None likewise.
    """

    experiment: str
    seed: int
    task: str
    found_on: str | None
    individual: int | None
    genotype: str
    shape: NetworkShape
    recipe: str
    origin: str
    n_epochs: int
    n_training: int
    n_test: int
    signature: str
    experiment_signature: str
    search_signature: str | None

    @property
    def is_transfer(self) -> bool:
        """Whether the architecture was found on another data set."""
        return self.found_on is not None and self.found_on != self.task


@dataclass(frozen=True)
class Epoch:
    """One epoch; training readings are means over its images.

    The loss is None where it is no number any more.
    """

    learning_rate: float
    drop_path: float
    train_loss: float | None
    train_accuracy: float
    seconds_training: float


@dataclass(frozen=True)
class PartOfEpoch:
    """Sums over the images of an epoch that have been trained on so far.

    The loss is None where it is no number any more; `hits` were classified right.
    """

    n_images: int = 0
    loss: float | None = 0.0
    hits: float = 0.0
    seconds_training: float = 0.0

    @property
    def mean_loss(self) -> float | None:
        """None where it is no number any more."""
        return None if self.loss is None else self.loss / self.n_images

    @property
    def accuracy(self) -> float:
        """In [0, 1]."""
        return self.hits / self.n_images


@dataclass(frozen=True)
class TestResult:
    """The one measurement on the test set, after the last epoch.

    Attributes:
        accuracy: in [0, 1].
        top5: in [0, 1], None for fewer than six classes.
        auc: area under the ROC curve by medmnist's evaluator, None for other data sets.
        loss: mean over the images, None where it or a weight of the network is no finite number.
    """

    __test__ = False  # pytest takes the name for one of its own

    accuracy: float
    top5: float | None
    auc: float | None
    loss: float | None
    seconds_test: float


@dataclass(frozen=True)
class Metric:
    """What a test measures: `key` is of a `TestResult`, `scale` makes it `unit`."""

    key: str
    name: str
    unit: str
    scale: float
    decimals: int

    def value(self, test: TestResult) -> float | None:
        """In the unit that is shown; None where it was not measured."""
        value: float | None = getattr(test, self.key)
        return None if value is None else self.scale * value

    def text(self, test: TestResult) -> str:
        """The same without the unit; empty where it was not measured."""
        value = self.value(test)
        return "" if value is None else f"{value:.{self.decimals}f}"


METRICS = (
    Metric("accuracy", "accuracy", "%", scale=100.0, decimals=2),
    Metric("top5", "top-5", "%", scale=100.0, decimals=2),
    Metric("auc", "AUC", "", scale=1.0, decimals=4),
)


@dataclass(frozen=True)
class Retraining:
    """A retraining up to its newest epoch.

    Attributes:
        parameters: of the network, every slice of its 1x1 convolutions counted.
        parameters_in_use: of the network, output slices in use only.
        macs: multiply-adds of convolutions and the classifier for one image.
        test: None until the last epoch is over.
        part: of the epoch that is under way; None at an epoch's end.
    """

    header: RetrainingHeader
    parameters: int
    parameters_in_use: int
    macs: int
    epochs: tuple[Epoch, ...] = ()
    test: TestResult | None = None
    part: PartOfEpoch | None = None

    @property
    def finished(self) -> bool:
        """Whether the test set has been read."""
        return self.test is not None

    @property
    def diverged(self) -> str:
        """Where the loss was no finite number first: `epoch 3`; empty if nowhere.

        It is `its last steps` where the test alone shows it. One such epoch is enough, even if the
        loss came back: the weights have been through a step without meaning.
        """
        losses = [epoch.train_loss for epoch in self.epochs]
        if self.part is not None:
            losses.append(self.part.loss)
        if None in losses:
            return f"epoch {losses.index(None) + 1}"
        return "its last steps" if self.test is not None and self.test.loss is None else ""

    @property
    def result(self) -> TestResult | None:
        """The result on the test set; its accuracy is nan if the training diverged."""
        if self.test is None or not self.diverged:
            return self.test
        blank: dict[str, Any] = dict.fromkeys(metric.key for metric in METRICS)
        return replace(self.test, **{**blank, "accuracy": math.nan})

    @property
    def summary(self) -> Summary:
        """How far it is."""
        header, result = self.header, self.result
        accuracy = result.accuracy if result and not self.diverged else None
        return Summary(
            step=len(self.epochs),
            n_steps=header.n_epochs,
            seconds=median_of_newest([epoch.seconds_training for epoch in self.epochs]),
            tasks={header.task: TaskSummary(accuracy, self.diverged)},
            experiment_signature=header.experiment_signature,
        )

    def after(self, epoch: Epoch) -> "Retraining":
        """With one more epoch."""
        return replace(self, epochs=(*self.epochs, epoch), part=None)


def write_retraining(retraining: Retraining, file: Path) -> None:
    """Writes a retraining as JSON."""
    values = {"schema": _SCHEMA, **asdict(retraining)}
    file.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_retraining(file: Path) -> Retraining:
    """The reverse of `write_retraining`.

    Raises:
        DamagedError: it is something else, or of another schema.
        FileNotFoundError: there is no such file.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        if values.pop("schema") != _SCHEMA:
            raise DamagedError(f"{file} was written by another version, expected schema {_SCHEMA}")
        header = values.pop("header")
        header["shape"] = NetworkShape(**header["shape"])
        epochs = tuple(Epoch(**epoch) for epoch in values.pop("epochs"))
        test, part = values.pop("test"), values.pop("part", None)
        return Retraining(
            RetrainingHeader(**header),
            epochs=epochs,
            test=None if test is None else TestResult(**test),
            part=None if part is None else PartOfEpoch(**part),
            **values,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedError(f"{file} is not the record of a retraining: {error}") from error
