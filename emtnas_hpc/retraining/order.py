"""What is to be trained from scratch: whose architecture, on which data, by which recipe."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from emtnas_hpc.data import parse_source
from emtnas_hpc.experiment import (
    Identity,
    RetrainingSettings,
    TaskSettings,
    recipe_label,
    retraining_name,
)
from emtnas_hpc.experiment.recipes import RECIPE_SETTINGS
from emtnas_hpc.experiment.settings import LEFT_OUT, Precision
from emtnas_hpc.space.architecture import Architecture
from emtnas_hpc.space.genotype import format_genotype
from emtnas_hpc.store.paths import retraining_stage

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
class RetrainingOrder:
    """One network to train from scratch; its data has not been opened.

    Attributes:
        experiment: name of the run's experiment.
        seed: of the run.
        threads: CPU threads.
        architecture: of the network.
        origin: the search that found it; None for an architecture from elsewhere.
        task: data set that it is trained on.
        images: settings of that data set.
        n_normal: N.
        settings: of the retraining.
        precision: of convolutions and matrix products on a GPU.
    """

    experiment: str
    seed: int
    threads: int
    architecture: Architecture
    origin: Origin | None
    task: str
    images: TaskSettings
    n_normal: int
    settings: RetrainingSettings
    precision: Precision = "tf32"

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
        images = self.images.model_dump(mode="json")
        of_images = [name for name in self._image_settings if name in images]
        return Identity(
            {
                "task": self.task,
                "normal_cells": self.n_normal,
                "genotype": format_genotype(self.architecture),
                "seed": self.seed,
                "threads": self.threads,
                **(
                    {} if self.precision == LEFT_OUT["precision"] else {"precision": self.precision}
                ),
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
