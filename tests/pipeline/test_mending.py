from pathlib import Path

import pytest

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.settings.hints import prepare_hint, prepare_hint_for_retraining

RUN = RunPaths(Path("runs/tiny/seed-0"))


def test_the_command_that_prepares_can_be_pasted_into_a_shell() -> None:
    command = prepare_hint("cifar", ['tasks=["digits"]', "threads=2"], Path("my data"))
    assert command == (
        """emtnas-hpc prepare cifar --set 'tasks=["digits"]' --set threads=2 --data 'my data'"""
    )


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("digits", "runs/tiny/seed-0/experiment.toml"),
        ("other", """cifar --set 'tasks=["other"]'"""),
    ],
)
def test_images_that_a_retraining_changes_are_changed_in_its_data_too(
    target: str, what: str
) -> None:
    settings = ["retraining.epochs=1", f"task.{target}.padding=2"]
    command = prepare_hint_for_retraining(
        RUN.experiment, ["digits"], [target], overrides=settings, data=Path("data")
    )
    assert command == (f"emtnas-hpc prepare {what} --set task.{target}.padding=2 --data data")
