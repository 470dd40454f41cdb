"""Puts a search together from its settings and its data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emtnas_hpc.data.dataset import Prepared
from emtnas_hpc.search.history import Header, TaskHeader
from emtnas_hpc.search.stage import PhaseListener, SearchStage, TaskTrainer
from emtnas_hpc.settings.experiment import Experiment, Identity, identify
from emtnas_hpc.space.architecture import NetworkShape

if TYPE_CHECKING:
    import torch

    from emtnas_hpc.supernet.graphs import Recorder


@dataclass(frozen=True)
class SearchPlan:
    """One seed of an experiment with the data that it will read.

    Attributes:
        experiment: all settings.
        seed: of the search.
        data: for every task.
    """

    experiment: Experiment
    seed: int
    data: Mapping[str, Prepared]

    @property
    def identity(self) -> Identity:
        """What this search must share with a run directory to go on in it."""
        digests = {name: self.data[name].digest for name in self.experiment.tasks}
        return identify(self.experiment, self.seed, digests)

    @property
    def notes(self) -> list[str]:
        """What the user is to be told of its data, in lines."""
        return [data.note for data in self.data.values() if data.note]

    def header(self) -> Header:
        """What the history will say of the whole search."""
        return Header(
            name=self.experiment.name,
            seed=self.seed,
            n_generations=self.experiment.search.generations,
            batch_norm=self.experiment.evaluation.batch_norm,
            signature=self.identity.signature,
            experiment_signature=self.identity.experiment_signature,
            tasks=tuple(self._task_header(name) for name in self.experiment.tasks),
        )

    def stage(
        self, device: "torch.device", on_phase: PhaseListener, recorder: "Recorder | None" = None
    ) -> SearchStage:
        """The search as a stage."""
        header = self.header()
        trainers = self._trainers(header, device, recorder)
        return SearchStage(header, self.experiment.search, trainers, on_phase=on_phase)

    def evaluation_chunks(self, device: "torch.device") -> Mapping[str, int]:
        """For every task the validation images that are evaluated at once."""
        from emtnas_hpc.search.trainer import evaluation_chunk

        settings = self.experiment.evaluation
        return {
            task.name: evaluation_chunk(task.shape, settings, device)
            for task in self.header().tasks
        }

    def _task_header(self, name: str) -> TaskHeader:
        data = self.data[name]
        shape = NetworkShape(
            channels=self.experiment.supernet.channels,
            n_normal=self.experiment.supernet.normal_cells,
            image_channels=data.image_channels,
            image_size=data.image_size,
            n_classes=data.n_classes,
            stem=data.stem,
        )
        return TaskHeader(name, shape, data.n_images("train"), data.n_images("val"))

    def _trainers(
        self, header: Header, device: "torch.device", recorder: "Recorder | None"
    ) -> Callable[[], Sequence[TaskTrainer]]:
        def make() -> Sequence[TaskTrainer]:
            from emtnas_hpc.search.trainer import SupernetTrainer, load_images

            return [
                SupernetTrainer(
                    index,
                    task.shape,
                    load_images(self.data[task.name], device),
                    self.experiment,
                    self.seed,
                    device,
                    recorder,
                )
                for index, task in enumerate(header.tasks)
            ]

        return make
