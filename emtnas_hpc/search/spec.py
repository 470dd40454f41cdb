"""One seed of an experiment: what to search and where, then with its data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.data.dataset import Prepared
from emtnas_hpc.settings.experiment import Experiment, StageIdentity, identify
from emtnas_hpc.space.architecture import NetworkShape

if TYPE_CHECKING:
    import torch

    from emtnas_hpc.runner.context import PhaseListener
    from emtnas_hpc.search.history import Header
    from emtnas_hpc.search.stage import SearchStage, TaskTrainer
    from emtnas_hpc.supernet.graphs import Recorder


@dataclass(frozen=True)
class RunSpec:
    """What to search, and where.

    `device` is auto, cpu, cuda or cuda:N; `take_over` takes the directory from a living owner.
    """

    experiment: Experiment
    seed: int
    paths: RunPaths
    data_dir: Path
    device: str
    take_over: bool = False


@dataclass(frozen=True)
class SearchPlan:
    """One seed of an experiment with the data of every task."""

    experiment: Experiment
    seed: int
    data: Mapping[str, Prepared]

    @property
    def identity(self) -> StageIdentity:
        """A run directory must have the same for this search to continue it."""
        digests = {name: self.data[name].digest for name in self.experiment.tasks}
        return identify(self.experiment, self.seed, digests)

    @property
    def notes(self) -> list[str]:
        """Lines for the user about its data."""
        return [data.note for data in self.data.values() if data.note]

    def shape(self, task: str) -> NetworkShape:
        """Of a task's supernet."""
        settings = self.experiment.supernet
        return self.data[task].network_shape(settings.channels, settings.normal_cells)

    # The stage is imported when it is built: `launch` plans searches and runs none.

    def header(self) -> "Header":
        """The header of its history."""
        from emtnas_hpc.search.history import Header, TaskHeader

        identity = self.identity
        return Header(
            name=self.experiment.name,
            seed=self.seed,
            n_generations=self.experiment.search.generations,
            batch_norm=self.experiment.evaluation.batch_norm,
            signature=identity.signature,
            experiment_signature=identity.experiment_signature,
            tasks=tuple(
                TaskHeader(
                    name,
                    self.shape(name),
                    self.data[name].n_images("train"),
                    self.data[name].n_images("val"),
                )
                for name in self.experiment.tasks
            ),
        )

    def stage(
        self, device: "torch.device", on_phase: "PhaseListener", recorder: "Recorder | None" = None
    ) -> "SearchStage":
        """The search as a stage."""
        from emtnas_hpc.search.stage import SearchStage

        trainers = partial(self._trainers, device, recorder)
        return SearchStage(self.header(), self.experiment.search, trainers, on_phase=on_phase)

    def _trainers(
        self, device: "torch.device", recorder: "Recorder | None"
    ) -> "Sequence[TaskTrainer]":
        from emtnas_hpc.search.trainer import SupernetTrainer

        return [
            SupernetTrainer(
                self.experiment,
                self.data[name],
                device,
                shape=self.shape(name),
                seed=self.seed,
                task=index,
                recorder=recorder,
            )
            for index, name in enumerate(self.experiment.tasks)
        ]

    def evaluation_chunks(self, device: "torch.device") -> Mapping[str, int]:
        """By task the number of validation images that are evaluated at once."""
        from emtnas_hpc.search.trainer import evaluation_chunk

        settings = self.experiment.evaluation
        return {
            name: evaluation_chunk(self.shape(name), settings, device)
            for name in self.experiment.tasks
        }
