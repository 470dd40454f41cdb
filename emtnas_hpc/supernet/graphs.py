"""Training steps as CUDA graphs: recorded once a path, launched as a whole from then on.

A step launches some 800 kernels. Python takes several times as long to launch them as a card to run
them (H200, C = 20, 32x32, batch 128: 31 ms a step, of which the card works 9; as a graph 9.5).
A replay runs the same kernels on the same memory, so its bits are those of the step itself.
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from emtnas_hpc.space.architecture import Architecture, NetworkShape, decode, random_chromosome
from emtnas_hpc.supernet.network import Network, SampledPath
from emtnas_hpc.supernet.operations import NO_MASKS, Masks
from emtnas_hpc.supernet.training import SgdSettings, Training

#: Steps between two looks at the device; twice as many are under way at most, a second or so.
_LOOK_EVERY = 16

Replay = Callable[[], None]
#: Whose step, and on what.
_Key = tuple[Architecture, Hashable]


class CaptureError(Exception):
    """A step could not be recorded; torch's generators refuse to work after it: start over."""


class MiniBatch(Protocol):
    """Images and targets that are made on the device, in the same memory every time."""

    @property
    def key(self) -> Hashable:
        """Equal where the same operations on the same memory make the images."""

    def read(self) -> tuple[Tensor, Tensor]:
        """The next images and their targets; no part of it waits for the device."""


class Recorder(Protocol):
    """What records steps and replays them."""

    def on_stream(self) -> AbstractContextManager[None]:
        """Everything that is recorded, and its first run, happens within."""

    def record(self, step: Callable[[], None]) -> Replay:
        """Records a step without running it.

        Raises:
            CaptureError: it cannot be recorded.
        """

    def drop(self, replays: list[Replay]) -> None:
        """Forgets steps that were recorded; nothing of them may be under way any more."""

    def keep_pace(self) -> None:
        """Called after every step: waits while too many are under way."""


class CudaRecorder:
    """Records on one stream and in one pool of memory, for all networks of a process.

    A stream or a pool for each graph would keep memory of its own for good.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()
        self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._n_steps = 0
        # A pool ends with its last graph, and torch takes no new one into it after that.
        counter = torch.zeros(1, device=device)
        self._anchor = counter, self._capture(lambda: counter.add_(1))

    @contextmanager
    def on_stream(self) -> Iterator[None]:
        """The stream of this recorder; it begins behind, and ends before, all else."""
        outside = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(outside)
        try:
            with torch.cuda.stream(self._stream):
                yield
        finally:
            # Also of what was given up: steps under way still use the memory of the network.
            outside.wait_stream(self._stream)

    def record(self, step: Callable[[], None]) -> Replay:
        """Records a step on the stream; it must have run there before.

        Raises:
            CaptureError: it cannot be recorded.
        """
        return self._capture(step).replay

    def drop(self, replays: list[Replay]) -> None:
        """Waits for the stream, then frees the graphs; their memory goes back to the pool."""
        self._stream.synchronize()
        replays.clear()

    def keep_pace(self) -> None:
        """Lets the host be at most 32 steps ahead, so that a signal is heard within a second."""
        self._n_steps += 1
        if self._n_steps % _LOOK_EVERY == 0:
            self._event.synchronize()
            self._event.record(self._stream)

    def _capture(self, step: Callable[[], object]) -> torch.cuda.CUDAGraph:
        self._stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
                step()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise CaptureError(lines[0]) from error
        return graph


class Steps:
    """Training steps of one network; with a recorder each path is recorded at its second one.

    The graphs live here, beside the network whose memory they know.

    Args:
        training: of the network.
        recorder: None runs every step as it comes.
    """

    def __init__(self, training: Training, recorder: Recorder | None) -> None:
        self._training = training
        self._recorder = recorder
        self._replays: dict[_Key, Replay | None] = {}
        self._fixed: dict[torch.Size, Tensor] = {}
        self._rate: float | Tensor = 0.0

    @contextmanager
    def phase(self, learning_rate: float) -> Iterator[None]:
        """Steps are made within, all at one learning rate."""
        self._rate = self._training.rate(learning_rate)
        with self._recorder.on_stream() if self._recorder else nullcontext():
            yield

    def keep(self, architectures: set[Architecture]) -> None:
        """Forgets what was recorded of all others."""
        gone = [key for key in self._replays if key[0] not in architectures]
        replays = [replay for key in gone if (replay := self._replays.pop(key))]
        if self._recorder and replays:
            self._recorder.drop(replays)

    def step(self, path: SampledPath, batch: MiniBatch, masks: Masks) -> None:
        """Trains one individual on the next images of a batch; waits for no result.

        Raises:
            CaptureError: the step was to be recorded and could not be.
        """
        if self._recorder is None:
            self._training.step(path, *batch.read(), self._rate, masks=masks)
            return
        fixed = Masks(self._in_place(masks.features), self._in_place(masks.branches))
        key = (path.architecture, (batch.key, fixed.features is None, fixed.branches is None))

        def step() -> None:
            self._training.step(path, *batch.read(), self._rate, masks=fixed)

        if key not in self._replays:
            # The first one compiles kernels and finds workspaces, which no recording may do.
            step()
            self._replays[key] = None
        else:
            replay = self._replays[key]
            if replay is None:
                replay = self._replays[key] = self._recorder.record(step)
            replay()
        self._recorder.keep_pace()

    def _in_place(self, mask: Tensor | None) -> Tensor | None:
        """A mask in memory that stays where it is: the same for all masks of a shape."""
        if mask is None:
            return None
        if mask.shape not in self._fixed:
            self._fixed[mask.shape] = torch.empty_like(mask)
        return self._fixed[mask.shape].copy_(mask)


def trial(recorder: Recorder, device: torch.device) -> str:
    """Why replayed steps are of no use on a device, in a line; empty if they are.

    Raises:
        CaptureError: a step cannot be recorded at all.
    """
    with recorder.on_stream():
        as_they_come, replayed = (_few_steps(device, each) for each in (None, recorder))
    same = all(torch.equal(a, b) for a, b in zip(as_they_come, replayed, strict=True))
    return "" if same else "replayed steps gave other bits than steps as they come"


class _OneBatch:
    """The same images every time; a `MiniBatch`."""

    key = "trial"

    def __init__(self, shape: NetworkShape, device: torch.device) -> None:
        rng = torch.Generator().manual_seed(0)
        size = (4, shape.image_channels, shape.image_size, shape.image_size)
        self._images = torch.randn(size, generator=rng).to(device)
        self._targets = torch.arange(4, device=device)

    def read(self) -> tuple[Tensor, Tensor]:
        return self._images, self._targets


def _few_steps(device: torch.device, recorder: Recorder | None) -> list[Tensor]:
    """What a small network has become after a few steps."""
    shape = NetworkShape(channels=4, n_normal=1, image_channels=3, image_size=8, n_classes=4)
    network = Network(shape, None, torch.Generator().manual_seed(0), device=device)
    training = Training(network, SgdSettings())
    steps, batch = Steps(training, recorder), _OneBatch(shape, device)
    path = network.path(decode(random_chromosome(np.random.default_rng(0))))
    with steps.phase(0.1):
        for _step in range(_LOOK_EVERY + 1):
            steps.step(path, batch, NO_MASKS)
    state = training.state()
    return [state[name].clone() for name in ("weights", "momentum", "statistics")]
