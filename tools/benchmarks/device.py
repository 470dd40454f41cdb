"""Training steps and evaluations on a device, of ours and of what they are compared with, in turns.

graphs       a supernet's step as `run` makes it: recorded as a CUDA graph, kernels as chosen
eager        the same step as it comes, all convolutions by cuDNN: what it was without either
stand-alone  the graph of the same architecture as a network of its own
reference    the method module by module, NCHW, hits read at every step, torch as it comes
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import fmean, median

import numpy as np
import torch

from benchmarks.rows import Row
from benchmarks.settings import Settings
from benchmarks.subjects import DROPOUT, LEARNING_RATE, N_EVALUATED, reference_step
from emtnas_hpc.data.batches import DeviceImages
from emtnas_hpc.data.images import Images
from emtnas_hpc.export.networks import plain_copy
from emtnas_hpc.space.architecture import Architecture, NetworkShape, decode, random_chromosome
from emtnas_hpc.supernet import device as kernels
from emtnas_hpc.supernet import operations
from emtnas_hpc.supernet.device import Kernels, prepare_torch
from emtnas_hpc.supernet.evaluation import CPU_CHUNK, chunk_sizes, count_hits, fitting_chunk
from emtnas_hpc.supernet.graphs import CudaRecorder, Steps
from emtnas_hpc.supernet.network import Network
from emtnas_hpc.supernet.operations import draw_masks
from emtnas_hpc.supernet.training import SgdSettings, Training

N_IMAGES = 2000
#: Steps between two readings of the clock, and such readings.
N_STEPS, N_READINGS = 20, 5
#: What the profiler calls a launch of the host.
LAUNCHES = frozenset(
    {
        *("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cuLaunchKernelEx"),
        "cudaGraphLaunch",
    }
)
SUBJECTS = ("graphs", "eager", "stand-alone", "reference")

#: What a step, and an evaluation, may take of what it took eagerly with cuDNN and chunks of 125.
TARGETS = {"search": 0.27, "retraining": 0.35, "evaluation": 0.35}


@dataclass(frozen=True)
class Scale:
    """Networks of a size that something real has."""

    name: str
    shape: NetworkShape
    batch_size: int
    drop_path: float = 0.0

    @property
    def target(self) -> float | None:
        """Of the ratio of its steps."""
        if self.shape.channels == 20:
            return TARGETS["search"]
        return TARGETS["retraining"] if self.shape.n_normal == 2 else None


SCALES = (
    Scale("search C=20 32x32", NetworkShape(20, 1, 3, 32, 10), 128),
    Scale("search C=48 28x28", NetworkShape(48, 1, 3, 28, 10), 128),
    Scale("retraining C=48 N=2 32x32", NetworkShape(48, 2, 3, 32, 10), 64, drop_path=0.2),
)
TINY = Scale("tiny", NetworkShape(4, 1, 3, 8, 10), 8, drop_path=0.2)


def measure(settings: Settings) -> list[Row]:
    """Times everything on the device of the settings."""
    device = torch.device(settings.device)
    rows = []
    for scale in (TINY,) if settings.quick else SCALES:
        rows += DeviceBench(scale, device, settings).rows()
    return rows


class DeviceBench:
    """The networks of a scale on a device."""

    def __init__(self, scale: Scale, device: torch.device, settings: Settings) -> None:
        self._scale = scale
        self._device = device
        prepare_torch(1, device, settings.precision)
        self._chosen = kernels.in_use()
        self._recorder = CudaRecorder(device) if device.type == "cuda" else None
        rng = np.random.default_rng(0)
        self._individuals = [
            decode(random_chromosome(rng)) for _individual in range(settings.individuals)
        ]
        pixels = rng.integers(0, 256, (N_IMAGES, *[scale.shape.image_size] * 2, 3), np.uint8)
        labels = rng.integers(0, scale.shape.n_classes, N_IMAGES)
        half = (0.5,) * 3
        self._images = DeviceImages(
            Images(pixels, labels), half, half, device, padding=2, flip=True
        )
        self._n_steps = 2 if settings.quick else N_STEPS
        self._n_readings = 1 if settings.quick else N_READINGS

    def rows(self) -> list[Row]:
        """Milliseconds a step and an evaluation, and what the card did meanwhile."""
        name, steps, rows = self._scale.name, dict.fromkeys(SUBJECTS, 0.0), []
        for architecture in self._individuals:
            for subject in SUBJECTS:
                with self._as(subject):
                    seconds = self._seconds(self._steps(subject, architecture))
                    steps[subject] += 1e3 * seconds / len(self._individuals)
        for subject in SUBJECTS:
            rows.append(Row(f"{name} step, {subject}", "ms", steps[subject]))
            if self._device.type == "cuda":
                with self._as(subject):
                    rows += self._card(subject)
        ratio = steps["graphs"] / steps["eager"]
        rows.append(Row(f"{name} step, graphs / eager", "x", ratio, target=self._scale.target))
        auto, before = (self._evaluation(kind) for kind in ("auto", "before"))
        rows.append(Row(f"{name} evaluation of 1000, chosen chunks", "ms", auto))
        rows.append(Row(f"{name} evaluation of 1000, chunks of 125", "ms", before))
        target = TARGETS["evaluation"] if self._scale.shape.channels == 20 else None
        rows.append(Row(f"{name} evaluation, chosen / 125", "x", auto / before, target=target))
        return rows

    @contextmanager
    def _as(self, subject: str) -> Iterator[None]:
        """Convolutions, and all that is deterministic, as the subject has them."""
        kernels.use(Kernels() if subject in ("eager", "reference") else self._chosen)
        torch.use_deterministic_algorithms(subject != "reference" and self._device.type == "cuda")
        try:
            yield
        finally:
            kernels.use(self._chosen)
            torch.use_deterministic_algorithms(self._device.type == "cuda")

    def _steps(self, subject: str, architecture: Architecture) -> Callable[[], None]:
        """Some steps, one after the other."""
        shape, masks = self._scale.shape, torch.Generator(self._device).manual_seed(0)
        drop_path = self._scale.drop_path
        draw = partial(
            draw_masks, shape, self._scale.batch_size, masks, dropout=DROPOUT, drop_path=drop_path
        )
        batches, rng = self._batches(), np.random.default_rng(0)
        if subject == "reference":
            images, targets = self._images.plain(batches[0])
            network = plain_copy(self._network(architecture), architecture)
            one = reference_step(network, (images.contiguous(), targets), draw)

            def reference_steps() -> None:
                for _batch in batches:
                    one()

            return reference_steps
        ours = self._network(architecture if subject == "stand-alone" else None)
        path = ours.path(architecture)
        recorder = None if subject == "eager" else self._recorder
        steps = Steps(Training(ours, SgdSettings()), recorder)

        def our_steps() -> None:
            with steps.phase(LEARNING_RATE):
                for batch in self._images.queues(batches, rng):
                    steps.step(path, batch, draw())

        return our_steps

    def _batches(self) -> list[np.ndarray]:
        rng = np.random.default_rng(0)
        return [
            rng.permutation(N_IMAGES)[: self._scale.batch_size] for _step in range(self._n_steps)
        ]

    def _network(self, architecture: Architecture | None) -> Network:
        generator = torch.Generator().manual_seed(0)
        return Network(self._scale.shape, architecture, generator, device=self._device)

    def _seconds(self, some_steps: Callable[[], None]) -> float:
        """Of one step: the median over readings, after those that record and compile."""
        some_steps()
        readings = []
        for _reading in range(self._n_readings):
            self._wait()
            began = time.perf_counter()
            some_steps()
            self._wait()
            readings.append((time.perf_counter() - began) / self._n_steps)
        return median(readings)

    def _card(self, subject: str) -> list[Row]:
        """What the card does in a step of the first individual, and the memory that this takes."""
        # The peak is that of the whole process since it was last reset.
        gc.collect()
        torch.cuda.reset_peak_memory_stats(self._device)
        some_steps = self._steps(subject, self._individuals[0])
        some_steps()
        self._wait()
        peak_mb = torch.cuda.max_memory_allocated(self._device) / 1e6
        activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
        with torch.profiler.profile(activities=activities) as profile:
            some_steps()
            self._wait()
        busy_us, launches = 0.0, 0
        for event in profile.events():
            if event.device_type.name == "CUDA":
                busy_us += event.device_time_total
            elif event.name in LAUNCHES:
                launches += 1
        what = f"{self._scale.name}, {subject}, first:"
        return [
            Row(f"{what} card works a step", "ms", busy_us / 1e3 / self._n_steps),
            Row(f"{what} launches a step", "1", launches / self._n_steps),
            Row(f"{what} peak memory of the card", "MB", peak_mb),
        ]

    def _evaluation(self, kind: str) -> float:
        """Milliseconds of 1000 images, the mean over individuals."""
        network = self._network(None)
        shape = self._scale.shape
        chunk = CPU_CHUNK
        if kind == "auto":
            chunk = fitting_chunk(shape, N_EVALUATED, "running", self._device)
        sizes = chunk_sizes(N_EVALUATED, chunk, "running")
        indices = np.split(np.arange(N_EVALUATED), np.cumsum(sizes)[:-1])
        with self._as("graphs" if kind == "auto" else "eager"):
            times = []
            for architecture in self._individuals:
                path = network.path(architecture)

                def evaluate() -> None:
                    chunks = map(self._images.plain, indices)
                    count_hits(network, path, chunks, operations.running).item()  # noqa: B023

                evaluate()
                self._wait()
                began = time.perf_counter()
                evaluate()
                times.append(1e3 * (time.perf_counter() - began))
        return fmean(times)

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
