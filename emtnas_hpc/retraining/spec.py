"""One network to train from scratch: its architecture, data, recipe and steps."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from emtnas_hpc.checkpoint.paths import retraining_stage
from emtnas_hpc.data.dataset import TaskData
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.retraining.record import Retraining, RetrainingHeader
from emtnas_hpc.settings.experiment import (
    LEFT_OUT,
    Experiment,
    RetrainingSettings,
    StageIdentity,
    TaskSettings,
    cosine_rate,
)
from emtnas_hpc.settings.names import recipe_label, retraining_name
from emtnas_hpc.settings.presets import RECIPE_SETTINGS
from emtnas_hpc.space.architecture import Architecture, NetworkShape, format_genotype
from emtnas_hpc.space.counts import count_macs, count_parameters

if TYPE_CHECKING:
    import torch

    from emtnas_hpc.retraining.stage import NetworkTrainer, RetrainingStage
    from emtnas_hpc.runner.context import PhaseListener
    from emtnas_hpc.supernet.graphs import Recorder


#: The settings of a task that decide which images a network sees beside the files themselves. A
#: stem that is plain is left out. The digest of streamed images does not hold their size.
_IMAGE_SETTINGS = ("pool", "padding", "flip", "mean", "std", "stem")


@dataclass(frozen=True)
class Origin:
    """Which search found an architecture."""

    task: str
    individual: int
    signature: str
    experiment_signature: str


@dataclass(frozen=True)
class RetrainSpec:
    """One network to train from scratch; its data has not been opened.

    Attributes:
        experiment: whose settings of retraining and of the task hold.
        origin: None for an architecture from elsewhere.
        task: data set that it is trained on.
    """

    experiment: Experiment
    seed: int
    architecture: Architecture
    origin: Origin | None
    task: str
    n_normal: int

    @property
    def settings(self) -> RetrainingSettings:
        """Of the retraining."""
        return self.experiment.retraining

    @property
    def images(self) -> TaskSettings:
        """Settings of the data set."""
        return self.experiment.task[self.task]

    @property
    def name(self) -> str:
        """Of its folder."""
        found_on = self.origin.task if self.origin else None
        return retraining_name(self.task, found_on, self.n_normal, self.label)

    @property
    def label(self) -> str:
        """Of its recipe, with what was changed in it."""
        return recipe_label(self.settings)

    @property
    def stage_name(self) -> str:
        """Of its stage."""
        return retraining_stage(self.name)

    def identity(self, data: str) -> StageIdentity:
        """That of the retraining; `data` is the digest of all images."""
        settings = self.settings.model_dump(mode="json")
        images, precision = self.images.model_dump(mode="json"), self.experiment.precision
        streamed = parse_source(self.images).is_streamed
        of_images = (*_IMAGE_SETTINGS, "image_size") if streamed else _IMAGE_SETTINGS
        return StageIdentity(
            {
                "task": self.task,
                "normal_cells": self.n_normal,
                "genotype": format_genotype(self.architecture),
                "seed": self.seed,
                "threads": self.experiment.threads,
                **({} if precision == LEFT_OUT["precision"] else {"precision": precision}),
                "data": data,
                **{f"task.{self.task}.{n}": images[n] for n in of_images if n in images},
                **{f"retraining.{name}": settings[name] for name in RECIPE_SETTINGS},
            }
        )

    def experiment_signature(self, data: str) -> str:
        """Seeds must share it to be averaged: it has the search, but not the seed.

        Seeds of a search find different architectures; one from elsewhere is the same for all.
        """
        origin, values = self.origin, dict(self.identity(data).values)
        del values["seed"]
        if origin is not None:
            del values["genotype"]
        values["search.task"] = origin and origin.task
        values["search.experiment_signature"] = origin and origin.experiment_signature
        return StageIdentity(values).signature


@dataclass(frozen=True)
class Step:
    """An epoch, or a part of one.

    Attributes:
        number: from 1.
        epoch: from 1.
        first: position of its first image in the order of the epoch.
        last: position behind its last image.
    """

    number: int
    epoch: int
    first: int
    last: int
    ends_epoch: bool


@dataclass(frozen=True)
class Schedule:
    """The steps of a retraining whose epochs train on `n_images`."""

    n_images: int
    settings: RetrainingSettings

    @property
    def part_images(self) -> int:
        """Images of a step; the last one of an epoch may have fewer."""
        return self.settings.part_batches * self.settings.batch_size

    @property
    def n_parts(self) -> int:
        """Steps of an epoch."""
        return -(-self.n_images // self.part_images)

    @property
    def n_steps(self) -> int:
        """Steps of all epochs."""
        return self.n_parts * self.settings.epochs

    def step(self, number: int) -> Step:
        """The step of a number, 1 to `n_steps`."""
        epoch, part = divmod(number - 1, self.n_parts)
        first = part * self.part_images
        last = min(first + self.part_images, self.n_images)
        return Step(number, epoch + 1, first, last, ends_epoch=last == self.n_images)

    def learning_rate(self, epoch: int) -> float:
        """Of an epoch, from 1."""
        return cosine_rate(self.settings.learning_rate, epoch, self.settings.epochs)

    def drop_path(self, epoch: int) -> float:
        """The probability that a branch is dropped: 0 in the first epoch, rising linearly."""
        return self.settings.drop_path * (epoch - 1) / max(1, self.settings.epochs - 1)


@dataclass(frozen=True)
class RetrainingPlan:
    """A retraining with the data of its task."""

    spec: RetrainSpec
    data: TaskData

    @property
    def identity(self) -> StageIdentity:
        """A folder must have the same for this retraining to continue it."""
        return self.spec.identity(self.data.digest_with_test)

    @property
    def schedule(self) -> Schedule:
        """Its steps; it trains on all images but those of the test set."""
        n_images = self.data.n_images("train") + self.data.n_images("val")
        return Schedule(n_images, self.spec.settings)

    @property
    def shape(self) -> NetworkShape:
        """Of the network."""
        return self.data.network_shape(self.spec.settings.channels, self.spec.n_normal)

    def beginning(self) -> Retraining:
        """The record before the first step."""
        architecture = self.spec.architecture
        return Retraining(
            self._header(),
            parameters=count_parameters(architecture, self.shape, "all"),
            parameters_in_use=count_parameters(architecture, self.shape),
            macs=count_macs(architecture, self.shape),
        )

    def stage(
        self, device: "torch.device", on_phase: "PhaseListener", recorder: "Recorder | None" = None
    ) -> "RetrainingStage":
        """The retraining as a stage, which is imported here: `launch` plans, and runs nothing."""
        from emtnas_hpc.retraining.stage import RetrainingStage

        return RetrainingStage(
            self.spec.stage_name,
            self.beginning(),
            self.schedule,
            partial(self._trainer, device, recorder),
            on_phase=on_phase,
        )

    def _header(self) -> RetrainingHeader:
        spec, origin = self.spec, self.spec.origin
        return RetrainingHeader(
            experiment=spec.experiment.name,
            seed=spec.seed,
            task=spec.task,
            found_on=origin.task if origin else None,
            individual=origin.individual if origin else None,
            genotype=format_genotype(spec.architecture),
            shape=self.shape,
            recipe=spec.label,
            origin=spec.settings.origin,
            n_epochs=spec.settings.epochs,
            n_training=self.schedule.n_images,
            n_test=self.data.n_images("test"),
            signature=self.identity.signature,
            experiment_signature=spec.experiment_signature(self.data.digest_with_test),
            search_signature=origin.signature if origin else None,
        )

    def _trainer(self, device: "torch.device", recorder: "Recorder | None") -> "NetworkTrainer":
        from emtnas_hpc.retraining.trainer import StandAloneTrainer

        return StandAloneTrainer(
            self.spec.architecture,
            self.data,
            self.schedule,
            shape=self.shape,
            seed=self.spec.seed,
            device=device,
            recorder=recorder,
        )
