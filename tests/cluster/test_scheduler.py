import os
from pathlib import Path

import pytest

from emtnas_hpc.cluster.scheduler import call
from emtnas_hpc.errors import SchedulerError


def _command(folder: Path, script: str) -> str:
    program = folder / "squeue"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def test_what_a_command_prints_is_returned(tmp_path: Path) -> None:
    assert call(_command(tmp_path, "echo $1 $SLURM_TIME_FORMAT"), "one") == "one %s\n"


def test_a_command_that_is_not_installed_is_named() -> None:
    with pytest.raises(SchedulerError, match="there is no command sno here; this must run on"):
        call("sno")


def test_a_command_that_hangs_is_given_up(tmp_path: Path) -> None:
    # exec: a shell's child would keep the pipe open.
    with pytest.raises(SchedulerError, match=r"did not answer within 0 s; is SLURM's controller"):
        call(_command(tmp_path, "exec sleep 100"), patience_s=0.2)


def test_a_refusal_is_told_in_slurms_words_on_one_line(tmp_path: Path) -> None:
    program = _command(tmp_path, "echo 'error: no' >&2; echo '' >&2; echo 'more' >&2; exit 1")
    with pytest.raises(SchedulerError) as refusal:
        call(program)
    assert str(refusal.value) == f"{program} refused: error: no; more"


def test_a_silent_refusal_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(SchedulerError, match="refused: without a word"):
        call(_command(tmp_path, "exit 3"))


def test_the_environment_of_the_caller_is_kept(tmp_path: Path) -> None:
    assert call(_command(tmp_path, "echo $HOME")).strip() == os.environ["HOME"]
