"""What is to be trained from scratch: whose architecture, on which data, by which recipe."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from emtnas_hpc.checkpoint.paths import retraining_stage
from emtnas_hpc.data.dataset import TaskData
from emtnas_hpc.data.sources import parse_source
from emtnas_hpc.retraining.record import Retraining, RetrainingHeader
from emtnas_hpc.retraining.stage import NetworkTrainer, PhaseListener, RetrainingStage, Schedule
from emtnas_hpc.settings.experiment import (
    LEFT_OUT,
    Experiment,
    Identity,
    RetrainingSettings,
    TaskSettings,
)
from emtnas_hpc.settings.names import recipe_label, retraining_name
from emtnas_hpc.settings.presets import RECIPE_SETTINGS
from emtnas_hpc.space.architecture import Architecture, NetworkShape, format_genotype
from emtnas_hpc.space.counts import count_macs, count_parameters

if TYPE_CHECKING:
    import torch

    from emtnas_hpc.supernet.graphs import Recorder


#: Of a task's settings, those that decide which images a network sees beside the files themselves.
#: A stem that is plain is left out. Where images are streamed, their size is not in their digest.
_IMAGE_SETTINGS = ("pool", "padding", "flip", "mean", "std", "stem")


@dataclass(frozen=True)
class Origin:
    """Which search found an architecture.

    Attributes:
        task: that it was found on.
        individual: its id there.
        signature: of the search.
        experiment_signature: the same for all seeds of that search.
    """

    task: str
    individual: int
    signature: str
    experiment_signature: str


@dataclass(frozen=True)
class RetrainSpec:
    """One network to train from scratch; its data has not been opened.

    Attributes:
        experiment: whose retraining and task settings hold.
        seed: of the run.
        architecture: of the network.
        origin: the search that found it; None for an architecture from elsewhere.
        task: data set that it is trained on.
        n_normal: N.
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

    @property
    def _image_settings(self) -> tuple[str, ...]:
        streamed = parse_source(self.images).is_streamed
        return (*_IMAGE_SETTINGS, "image_size") if streamed else _IMAGE_SETTINGS

    def identity(self, data: str) -> Identity:
        """What two retrainings must share to be the same one.

        Args:
            data: digest of all images.
        """
        settings = self.settings.model_dump(mode="json")
        images, precision = self.images.model_dump(mode="json"), self.experiment.precision
        of_images = [name for name in self._image_settings if name in images]
        return Identity(
            {
                "task": self.task,
                "normal_cells": self.n_normal,
                "genotype": format_genotype(self.architecture),
                "seed": self.seed,
                "threads": self.experiment.threads,
                **({} if precision == LEFT_OUT["precision"] else {"precision": precision}),
                "data": data,
                **{f"task.{self.task}.{name}": images[name] for name in of_images},
                **{f"retraining.{name}": settings[name] for name in RECIPE_SETTINGS},
            }
        )

    def experiment_signature(self, data: str) -> str:
        """What seeds must share to be averaged: not the seed, but where the architecture is from.

        Seeds of a search find different ones; one from elsewhere is the same for all its seeds.
        """
        own = dict(self.identity(data).values)
        del own["seed"]
        if self.origin is not None:
            del own["genotype"]
        search: Mapping[str, Any] = asdict(self.origin) if self.origin else {}
        shared = {name: search.get(name) for name in ("task", "experiment_signature")}
        return Identity({**own, **{f"search.{name}": shared[name] for name in shared}}).signature


@dataclass(frozen=True)
class RetrainingPlan:
    """A retraining with the data that it will read.

    Attributes:
        spec: what to train.
        data: of its task.
    """

    spec: RetrainSpec
    data: TaskData

    @property
    def identity(self) -> Identity:
        """What this retraining must share with a directory to go on in it."""
        return self.spec.identity(self.data.digest_with_test)

    @property
    def schedule(self) -> Schedule:
        """Its steps; it trains on all images but those of the test set."""
        n_images = self.data.n_images("train") + self.data.n_images("val")
        return Schedule(n_images, self.spec.settings)

    @property
    def shape(self) -> NetworkShape:
        """Of the network."""
        return NetworkShape(
            channels=self.spec.settings.channels,
            n_normal=self.spec.n_normal,
            image_channels=self.data.image_channels,
            image_size=self.data.image_size,
            n_classes=self.data.n_classes,
            stem=self.data.stem,
        )

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
        self, device: "torch.device", on_phase: PhaseListener, recorder: "Recorder | None" = None
    ) -> RetrainingStage:
        """The retraining as a stage."""
        return RetrainingStage(
            self.spec.stage_name,
            self.beginning(),
            self.schedule,
            self._trainer(device, recorder),
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

    def _trainer(
        self, device: "torch.device", recorder: "Recorder | None"
    ) -> Callable[[], NetworkTrainer]:
        def make() -> NetworkTrainer:
            from emtnas_hpc.retraining.trainer import StandAloneTrainer

            return StandAloneTrainer(
                self.spec.architecture,
                self.shape,
                self.schedule,
                self.data,
                self.spec.seed,
                device,
                recorder,
            )

        return make
