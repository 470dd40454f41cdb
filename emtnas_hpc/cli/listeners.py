"""From what a run tells to the events of its seed."""

from typing import cast

from emtnas_hpc.cli.events import Event, Listener, TaskProgress
from emtnas_hpc.cli.retraining_events import retraining_events
from emtnas_hpc.runner.loop import Progress
from emtnas_hpc.search.session import Listeners


def listeners_of(seed: int, listener: Listener) -> Listeners:
    """Turns what a run tells into events of its seed."""

    def on_progress(progress: Progress) -> None:
        if "retraining" in progress.summary:
            for event in retraining_events(seed, progress):
                listener(event)
            return
        tasks = cast(dict[str, TaskProgress], progress.summary["tasks"])
        listener(
            Event(
                seed,
                "step",
                step=progress.step,
                n_steps=progress.n_steps,
                seconds=progress.seconds,
                tasks=tasks,
            )
        )

    return Listeners(
        on_progress,
        lambda phase, task: listener(Event(seed, "phase", text=f"{phase} {task}".strip())),
        lambda message: listener(Event(seed, "message", text=message)),
    )
