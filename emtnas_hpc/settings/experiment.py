"""The settings of an experiment: typed, bounded, frozen; and the identity that they give.

A section is a table in TOML and a prefix on the command line (`--set search.rmp=0.1`). Defaults are
the paper's (Table 1, CIFAR); choices on which the paper is silent say so.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
NameText = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+=,-]*$", max_length=200)]

Strategy = Literal["evolution", "random"]
FitnessRule = Literal["own", "running_mean"]
SkillRule = Literal["parent", "coin"]
MutationRule = Literal["redraw", "other", "step"]

#: Settings that came later, with the value that all runs before them had; it is not written, so
#: that their signatures stay.
LEFT_OUT = {
    "stem": "plain",
    "precision": "tf32",
    "strategy": "evolution",
    "clones": "youngest",
    "wheel": "equal_tasks",
    "training_images": "train+validation",
    "validation_split": "last",
}


#: Settings of `search` that do nothing in a random one.
OF_MATING = (
    *("rmp", "crossover_probability", "mutation_probability", "mutation", "mutation_only_child"),
    "wheel",
)


class Section(BaseModel):
    """A frozen group of settings; unknown names and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    @model_serializer(mode="wrap")
    def _without_what_came_later(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = serialize(self)
        later = LEFT_OUT.items()
        return {name: value for name, value in values.items() if (name, value) not in later}


class SearchSettings(Section):
    """The evolutionary search (sections 3 and 4 of the paper, Table 1)."""

    generations: Count = Field(300, description="T, generations of the search")
    population: Count = Field(20, description="individuals in all tasks together")
    strategy: Strategy = Field(
        "evolution",
        description="children of mated parents, or each drawn at random as the first are, at the "
        "same cost; random: no child has parents, so settings of mating do nothing, and reevaluate "
        "has to be false",
    )
    rmp: Probability = Field(0.3, description="random mating probability")
    crossover_probability: Probability = Field(
        1.0, description="CP, probability that a pair is crossed"
    )
    mutation_probability: Probability = Field(
        0.02, description="MP, probability that a gene is mutated"
    )
    reevaluate: bool = Field(True, description="fitness re-evaluation, Eq. 2 of the paper")
    fitness: FitnessRule = Field(
        "own",
        description="an individual's own accuracy, or the authors' mean with those before it",
    )
    mutation_only_child: SkillRule = Field(
        "parent",
        description="skill factor of a child that was only mutated: its parent's, or drawn",
    )
    mutation: MutationRule = Field(
        "redraw",
        description="a gene is drawn anew, or among its other values, or moved by one, as the "
        "authors do",
    )
    wheel: Literal["equal_tasks", "raw_fitness"] = Field(
        "equal_tasks",
        description="of the parents: each task has the same total weight, as in the authors' code, "
        "or an individual its fitness, whatever its task (the paper is silent)",
    )
    clones: Literal["youngest", "fittest"] = Field(
        "youngest",
        description="of equal chromosomes of a task, which one stands: the youngest, as in the "
        "authors' code, or the fittest (the paper is silent)",
    )
    true_fitness_every: Count = Field(
        1, description="measure true fitness every so many generations, and in the last"
    )


class SupernetSettings(Section):
    """The weight-sharing network of a task."""

    channels: Count = Field(20, description="C, width after the stem")
    normal_cells: Count = Field(1, description="N, normal cells between two reductions")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="share of features dropped before the classifier"
    )
    drop_path: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="probability to drop a branch (the paper is silent; the authors: 0.1)"
    )
    drop_path_from: Count = Field(51, description="first generation with drop path")


class TrainingSettings(Section):
    """Sampled training: SGD on one drawn individual per mini-batch."""

    batch_size: Count = Field(128, description="images of a mini-batch; the last may be smaller")
    batches: Count | Literal["epoch"] = Field(
        "epoch", description="mini-batches of a task in a generation, or one whole epoch"
    )
    learning_rate: Positive = Field(
        0.1, description="of generation 1; from there a cosine toward 0"
    )
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="momentum of SGD")
    nesterov: bool = Field(True, description="Nesterov's momentum (the paper is silent)")
    weight_decay: NotNegative = Field(1e-4, description="of every weight that a mini-batch uses")


class EvaluationSettings(Section):
    """Sampled evaluation, and the measurement of true fitness."""

    batch_size: Count = Field(1000, description="validation images an individual is measured on")
    mini_batch: Literal["own", "common"] = Field(
        "own",
        description="each individual draws its own images, or all share one draw",
    )
    batch_norm: Literal["recalibrated", "batch", "running"] = Field(
        "recalibrated",
        description="statistics of batch norm: recomputed for each individual, of the images "
        "evaluated at once, or the running ones, as the authors do (the paper is silent)",
    )
    recalibration_images: Annotated[int, Field(ge=2, le=1_000_000)] = Field(
        250, description="training images that batch statistics are recomputed from"
    )
    validation_images: Literal["plain", "augmented"] = Field(
        "plain",
        description="as they are, or augmented like training images, as the authors do",
    )
    chunk_size: Count | Literal["auto"] = Field(
        "auto",
        description="validation images that are evaluated at once; auto: 125, on a GPU as many as "
        "fit; at least 250 in mode batch, the only one in which it changes more than last bits",
    )


def per_channel(values: tuple[float, ...], n_channels: int) -> tuple[float, ...]:
    """A setting of images for each of their channels: one value counts for all."""
    return values * n_channels if len(values) == 1 else values


class TaskSettings(Section):
    """One data set as a task: where it comes from and how its training images are augmented."""

    source: str = Field(
        description="medmnist:NAME, torchvision:NAME, package:NAME, npz:FILE, images:DIR, "
        "imagenet:DIR; the last is streamed, and for retraining only; a relative path begins at "
        "the current directory, that of imagenet: in --data, and ~ is the home"
    )
    pool: Count = Field(1, description="average-pool images by this factor when they are loaded")
    padding: Annotated[int, Field(ge=0, le=1000)] = Field(
        0, description="pixels of zeros around a training image, before a random crop"
    )
    flip: bool = Field(False, description="flip training images left to right at random")
    mean: tuple[float, ...] = Field((0.5,), description="per channel, of pixel values in [0, 1]")
    std: tuple[Positive, ...] = Field((0.5,), description="per channel, of pixel values in [0, 1]")
    image_size: Annotated[int, Field(ge=8, le=4096)] = Field(
        32, description="edge that pictures of images:DIR and imagenet:DIR are scaled to"
    )
    validation_split: Literal["last", "first"] = Field(
        "last",
        description="of every five images of a class, which one is held out for validation where "
        "the source has no such part: 4, 9, 14, ... or, as the authors do, 0, 5, 10, ...",
    )
    stem: Literal["plain", "strided"] = Field(
        "plain",
        description="what a network begins with: one convolution, or for images of 224x224 three "
        "of stride 2",
    )


class RetrainingSettings(Section):
    """Training a found architecture from scratch; of no search's identity.

    The paper says only how deep. `recipe` names a file of `configs/recipes`, which all values but
    `normal_cells` and `transfer` are drawn from; the defaults are those of `long`.
    """

    recipe: NameText = Field("long", description="where the values come from that are not given")
    origin: str = Field(
        "ours: the paper gives no recipe", description="who proposed the recipe, for a report"
    )
    normal_cells: tuple[Count, ...] = Field(
        (), description="N of the networks that a run retrains; an empty list retrains none"
    )
    transfer: tuple[NameText, ...] = Field(
        (), description="data sets that what was found is retrained on too, beside its own"
    )
    training_images: Literal["train+validation", "train"] = Field(
        "train+validation",
        description="images that are trained on: of both sets, or of the training set alone, which "
        "leaves the validation images unused (the paper is silent)",
    )
    channels: Count = Field(48, description="C, width after the stem (inferred from parameters)")
    epochs: Count = Field(600, description="passes over the images that are trained on")
    batch_size: Count = Field(64, description="images of a mini-batch; the last may be smaller")
    learning_rate: Positive = Field(
        0.025, description="of the first epoch; from there a cosine toward 0"
    )
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="momentum of SGD")
    nesterov: bool = Field(True, description="Nesterov's momentum")
    weight_decay: NotNegative = Field(3e-4, description="of every weight")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.1, description="share of features dropped before the classifier"
    )
    drop_path: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.3, description="probability to drop a branch in the last epoch, rising from 0"
    )
    cutout: Annotated[int, Field(ge=0, le=1000)] = Field(
        16, description="edge in pixels of the square that is blanked in an image; 0 = none"
    )
    part_batches: Count = Field(
        1000, description="mini-batches of one step at most; a longer epoch is several steps"
    )
    data_workers: Annotated[int, Field(ge=0, le=256)] = Field(
        4,
        description="processes that read the pictures of imagenet:DIR, 0 for none; "
        "no result depends on them",
    )


class RunSettings(Section):
    """How a run is carried out; nothing here can change a result."""

    commit_interval_s: NotNegative = Field(
        60.0, description="seconds between commits; 0 commits every generation"
    )
    keep_commits: Annotated[int, Field(ge=2, le=1_000_000)] = Field(
        2, description="newest commits that are kept"
    )
    grace_s: NotNegative = Field(
        30.0, description="seconds that a generation may go on after a stop was asked for"
    )
    graphs: Literal["auto", "off"] = Field(
        "auto",
        description="training steps as CUDA graphs where a GPU can, or never; the same bits",
    )


class Experiment(Section):
    """All settings of a run, all tasks resolved."""

    name: NameText = Field(description="of the run's folder, before what overrides add to it")
    tasks: Annotated[tuple[NameText, ...], Field(min_length=1)] = Field(
        description="data sets that are searched for together"
    )
    threads: Annotated[int, Field(ge=1, le=1024)] = Field(
        1, description="CPU threads; a result's last bits depend on them"
    )
    precision: Literal["tf32", "fp32"] = Field(
        "tf32",
        description="of convolutions and matrix products on a GPU: TF32 where the card has it "
        "(10 bits of mantissa), or full float32",
    )
    search: SearchSettings = SearchSettings()
    supernet: SupernetSettings = SupernetSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    retraining: RetrainingSettings = RetrainingSettings()
    run: RunSettings = RunSettings()
    task: dict[str, TaskSettings]

    @property
    def data_sets(self) -> tuple[str, ...]:
        """All that are trained on: the tasks, then what their architectures are transferred to."""
        return tuple(dict.fromkeys((*self.tasks, *self.retraining.transfer)))

    @property
    def retrained(self) -> tuple[tuple[str, str], ...]:
        """Pairs of the task that found an architecture and the data set it is retrained on."""
        own = [(task, task) for task in self.tasks]
        transfers = [(task, other) for task in self.tasks for other in self.retraining.transfer]
        # Those on their own data come first.
        return (*own, *(pair for pair in transfers if pair not in own))


def cosine_rate(first: float, step: int, n_steps: int) -> float:
    """The learning rate of a generation or epoch t of T: first / 2 * (1 + cos(pi (t - 1) / T)).

    It is never exactly 0 (Table 1, cosine).
    """
    return first / 2 * (1 + math.cos(math.pi * (step - 1) / n_steps))


#: Settings outside these cannot change what a search finds. A data set's `source` is left out too:
#: the digest of its images counts, wherever they came from.
_SEARCH_SETTINGS = (
    *("tasks", "threads", "precision"),
    *("search", "supernet", "training", "evaluation", "task"),
)

#: What `evaluation.chunk_size` is in an identity, unless chunks are normalised by themselves.
_CHUNK = 125

_MOST_NAMED = 5


@dataclass(frozen=True)
class StageIdentity:
    """What two searches, or two retrainings, must share to be the same one.

    It holds every setting that can change the result, the seed, and the digests of the data.
    """

    values: Mapping[str, Any]

    @property
    def signature(self) -> str:
        """SHA-256 over the values in canonical form."""
        return _digest(self.values)

    @property
    def experiment_signature(self) -> str:
        """The same without the seed: seeds must share it to be averaged."""
        return _digest({name: value for name, value in self.values.items() if name != "seed"})


def identify(experiment: Experiment, seed: int, data: Mapping[str, str]) -> StageIdentity:
    """The identity of one seed's search; `data` has by task the digest of the images it reads."""
    settings = search_settings(experiment)
    settings = {name: settings[name] for name in settings if not name.endswith(".source")}
    digests = {f"data.{name}": data[name] for name in data}
    return StageIdentity({**settings, "seed": seed, **digests})


def search_settings(experiment: Experiment) -> dict[str, Any]:
    """The settings that can change what a search finds, by dotted name, with plain values.

    Images of transfers are not among them: no search reads them.
    """
    own = {name: experiment.task[name] for name in experiment.tasks}
    settings = canonical(flatten(experiment.model_copy(update={"task": own})))
    return {
        name: value
        for name, value in settings.items()
        if name.partition(".")[0] in _SEARCH_SETTINGS
    }


def canonical(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted name; one that changes no more than last bits has one value for all."""
    chunk, mode = settings["evaluation.chunk_size"], settings["evaluation.batch_norm"]
    own = chunk if mode == "batch" and chunk != "auto" else _CHUNK
    return {**settings, "evaluation.chunk_size": own}


def difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Says in one line how two identities differ, at most five values by name.

    Where the tasks differ, the settings of a task that only one of the two has are left out.
    """
    shared = set(there.get("tasks", ())) & set(here.get("tasks", ()))
    names = sorted(
        {name for name in {*there, *here} if there.get(name) != here.get(name)},
        key=lambda name: (name != "tasks", name),
    )
    if "tasks" in names:
        names = [name for name in names if _of_task(name) in {None, *shared}]
    # With these the digests differ as well: the setting says it all.
    deciding = (".pool", ".image_size", ".validation_split")
    decided = {f"data.{_of_task(name)}" for name in names if name.endswith(deciding)}
    names = [name for name in names if name not in decided]
    parts = [_difference(name, there, here) for name in names[:_MOST_NAMED]]
    n_more = len(names) - _MOST_NAMED
    return "; ".join(parts) + (f"; and {n_more} more" if n_more > 0 else "")


def _difference(name: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    section, _, task = name.partition(".")
    if section == "data" and name in there and name in here:
        return f"the images{f' of {task}' if task else ''} are others than there"
    return f"{name} is {show(value_of(there, name))} there, {show(value_of(here, name))} here"


def flatten(experiment: Experiment) -> dict[str, Any]:
    """All settings by dotted name, with plain values."""
    return dict(_flatten(experiment.model_dump(mode="json"), ""))


def show(value: Any) -> str:
    """A plain value in a line of text: lists without brackets, digests cut short."""
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return ",".join(map(show, value))
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:12] if re.fullmatch(r"[0-9a-f]{64}", text) else text


def value_of(settings: Mapping[str, Any], name: str) -> Any:
    """The value of a setting; one that was left out has its default."""
    return settings.get(name, LEFT_OUT.get(name.rpartition(".")[2]))


def _digest(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _of_task(name: str) -> str | None:
    section, _, rest = name.partition(".")
    if section == "task":
        return rest.rpartition(".")[0]
    return rest if section == "data" else None


def _flatten(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield prefix, value
        return
    for name, item in value.items():
        yield from _flatten(item, f"{prefix}.{name}" if prefix else name)
