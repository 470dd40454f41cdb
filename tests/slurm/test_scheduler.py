import os
import signal
from pathlib import Path

import pytest

from emtnas_hpc.errors import SchedulerError
from emtnas_hpc.slurm.slurm import run_command


def _command(folder: Path, script: str) -> str:
    program = folder / "squeue"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def test_what_a_command_prints_is_returned(tmp_path: Path) -> None:
    assert run_command(_command(tmp_path, "echo $1 $SLURM_TIME_FORMAT"), "one") == "one %s\n"


def test_a_command_that_is_not_installed_is_named() -> None:
    with pytest.raises(SchedulerError, match="there is no command sno here; this must run on"):
        run_command("sno")


def test_a_command_that_hangs_is_given_up(tmp_path: Path) -> None:
    # exec: a shell's child would keep the pipe open.
    with pytest.raises(SchedulerError, match=r"did not answer within 0 s; is SLURM's controller"):
        run_command(_command(tmp_path, "exec sleep 100"), patience_s=0.2)


def test_a_refusal_is_told_in_slurms_words_on_one_line(tmp_path: Path) -> None:
    program = _command(tmp_path, "echo 'error: no' >&2; echo '' >&2; echo 'more' >&2; exit 1")
    with pytest.raises(SchedulerError) as refusal:
        run_command(program)
    assert str(refusal.value) == f"{program} refused: error: no; more"


def test_a_silent_refusal_is_told_too(tmp_path: Path) -> None:
    with pytest.raises(SchedulerError, match="refused: without a word"):
        run_command(_command(tmp_path, "exit 3"))


def test_the_environment_of_the_caller_is_kept(tmp_path: Path) -> None:
    assert run_command(_command(tmp_path, "echo $HOME")).strip() == os.environ["HOME"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("not executable", "cannot be started: Permission denied"),
        ("a folder", "cannot be started: Permission denied"),
        ("no interpreter", "names an interpreter that is not here"),
        ("no program", "cannot be started: Exec format error"),
    ],
)
def test_a_command_that_cannot_be_started_is_said_in_a_line(
    tmp_path: Path, kind: str, message: str
) -> None:
    program = tmp_path / "squeue"
    if kind == "a folder":
        program.mkdir()
    else:
        program.write_text({"no interpreter": "#!/no/where\n", "no program": "\1\2"}.get(kind, ""))
        program.chmod(0o644 if kind == "not executable" else 0o755)
    with pytest.raises(SchedulerError, match=message):
        run_command(str(program))


def test_output_without_end_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emtnas_hpc.slurm.slurm._MOST_BYTES", 1024**2)
    with pytest.raises(SchedulerError, match="printed more than 1 MB; stopped it"):
        run_command(_command(tmp_path, "exec cat /dev/zero"))


def test_what_a_command_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    child = run_command(_command(tmp_path, "sleep 100 & echo $!; exit 0"), patience_s=30)
    os.kill(int(child), signal.SIGKILL)


def test_bytes_of_another_encoding_are_no_harm(tmp_path: Path) -> None:
    assert run_command(_command(tmp_path, "printf 'f\\374r\\n'")) == "f\ufffdr\n"


def test_a_sites_remarks_do_not_hide_the_error(tmp_path: Path) -> None:
    script = "for n in 1 2 3; do echo note $n >&2; done; echo 'error: no' >&2; exit 1"
    with pytest.raises(SchedulerError, match="refused: error: no"):
        run_command(_command(tmp_path, script))


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    with pytest.raises(SchedulerError) as refusal:
        run_command(_command(tmp_path, "printf '\\033[31mno\\n' >&2; exit 1"))
    assert str(refusal.value).isprintable()
