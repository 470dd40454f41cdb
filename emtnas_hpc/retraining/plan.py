"""Puts a retraining together from its order and its data."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emtnas_hpc.data import TaskData
from emtnas_hpc.experiment import Identity
from emtnas_hpc.history.retraining import Retraining, RetrainingHeader
from emtnas_hpc.retraining.order import RetrainingOrder
from emtnas_hpc.retraining.schedule import Schedule
from emtnas_hpc.retraining.stage import NetworkTrainer, PhaseListener, RetrainingStage
from emtnas_hpc.space.counts import count_macs, count_parameters
from emtnas_hpc.space.genotype import format_genotype
from emtnas_hpc.space.shape import NetworkShape

if TYPE_CHECKING:
    import torch  # noqa: TID251 - the finished and the refused retrainings need no torch

    from emtnas_hpc.supernet.graphs import Recorder


@dataclass(frozen=True)
class RetrainingPlan:
    """A retraining with the data that it will read.

    Attributes:
        order: what to train.
        data: of its task.
    """

    order: RetrainingOrder
    data: TaskData

    @property
    def identity(self) -> Identity:
        """What this retraining must share with a directory to go on in it."""
        return self.order.identity(self.data.digest_with_test)

    @property
    def schedule(self) -> Schedule:
        """Its steps; it trains on all images but those of the test set."""
        n_images = self.data.n_images("train") + self.data.n_images("val")
        return Schedule(n_images, self.order.settings)

    @property
    def shape(self) -> NetworkShape:
        """Of the network."""
        return NetworkShape(
            channels=self.order.settings.channels,
            n_normal=self.order.n_normal,
            image_channels=self.data.image_channels,
            image_size=self.data.image_size,
            n_classes=self.data.n_classes,
            stem=self.data.stem,
        )

    def beginning(self) -> Retraining:
        """The record before the first step."""
        architecture = self.order.architecture
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
            self.order.stage_name,
            self.beginning(),
            self.schedule,
            self._trainer(device, recorder),
            on_phase=on_phase,
        )

    def _header(self) -> RetrainingHeader:
        order, origin = self.order, self.order.origin
        return RetrainingHeader(
            experiment=order.experiment,
            seed=order.seed,
            task=order.task,
            found_on=origin.task if origin else None,
            individual=origin.individual if origin else None,
            genotype=format_genotype(order.architecture),
            shape=self.shape,
            recipe=order.label,
            origin=order.settings.origin,
            n_epochs=order.settings.epochs,
            n_training=self.schedule.n_images,
            n_test=self.data.n_images("test"),
            signature=self.identity.signature,
            experiment_signature=order.experiment_signature(self.data.digest_with_test),
            search_signature=origin.signature if origin else None,
        )

    def _trainer(
        self, device: "torch.device", recorder: "Recorder | None"
    ) -> Callable[[], NetworkTrainer]:
        def make() -> NetworkTrainer:
            from emtnas_hpc.retraining.trainer import StandAloneTrainer

            return StandAloneTrainer(
                self.order.architecture,
                self.shape,
                self.schedule,
                self.data,
                self.order.seed,
                device,
                recorder,
            )

        return make
