import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from emtnas_hpc.checkpoint import ownership
from emtnas_hpc.checkpoint.ownership import UNKNOWN_START, process_start, read_owner, this_process
from emtnas_hpc.errors import OwnedError, StorageError


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    me = this_process(job_id="17", restart_count=2)
    (tmp_path / "owner").write_text(me.to_text())
    assert read_owner(tmp_path / "owner") == me


def test_a_record_describes_this_very_process() -> None:
    me = this_process()
    assert me.pid == os.getpid()
    assert me.started == process_start(os.getpid())
    assert me.boot_id
    assert me.pid_namespace.startswith("pid:")


def test_a_record_tells_machines_of_one_name_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "_MACHINE_ID", tmp_path / "machine-id")
    assert this_process().machine_id == ""
    (tmp_path / "machine-id").write_text("3d12\n")
    assert this_process().machine_id == "3d12"


def test_a_record_of_an_older_version_names_no_machine(tmp_path: Path) -> None:
    me = this_process()
    record = json.loads(me.to_text())
    del record["machine_id"]
    (tmp_path / "owner").write_text(json.dumps(record))
    assert read_owner(tmp_path / "owner") == replace(me, machine_id="")


def test_what_a_later_version_adds_to_a_record_is_passed_over(tmp_path: Path) -> None:
    me = this_process()
    record = {**json.loads(me.to_text()), "color": 3}
    (tmp_path / "owner").write_text(json.dumps(record))
    assert read_owner(tmp_path / "owner") == me


def test_every_start_has_its_own_token() -> None:
    assert this_process().token != this_process().token


def test_a_record_is_shown_in_one_line() -> None:
    me = this_process(job_id="17")
    assert str(me) == f"process {me.pid} on {me.host} (job 17) since {me.since}"


def test_no_record_means_no_owner(tmp_path: Path) -> None:
    assert read_owner(tmp_path / "owner") is None


@pytest.mark.parametrize("text", ["", "{}", "[1]", "\x00\xff", '{"token": "x", "color": 3}'])
def test_a_record_that_makes_no_sense_is_refused_with_the_way_out(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "owner").write_text(text)
    with pytest.raises(OwnedError, match=r"`emtnas-hpc run` \(or `retrain`\) .*--take-over"):
        read_owner(tmp_path / "owner")


def test_a_record_that_cannot_be_read_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "owner").mkdir()
    with pytest.raises(StorageError, match="cannot read"):
        read_owner(tmp_path / "owner")


def test_a_process_that_has_ended_has_no_start() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        assert process_start(process.pid) is None


def test_a_zombie_counts_as_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        while process_start(process.pid) is not None:
            time.sleep(0.01)
        assert Path(f"/proc/{process.pid}/stat").exists()


def test_a_program_name_with_brackets_does_not_hide_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = " ".join(str(n) for n in range(4, 53))
    (tmp_path / "12").mkdir()
    (tmp_path / "12" / "stat").write_text(f"12 (a) Z (b) T {fields}\n")
    monkeypatch.setattr(ownership, "_PROC", tmp_path)
    assert process_start(12) == 22


def test_without_a_process_table_a_living_process_has_an_unknown_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "_PROC", tmp_path / "none")
    me = this_process()
    assert (me.started, me.boot_id, me.pid_namespace) == (UNKNOWN_START, "", "")
    assert process_start(os.getpid()) == UNKNOWN_START
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert process_start(process.pid) is None


def test_a_process_of_another_user_is_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbid(pid: int, signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(ownership, "_PROC", tmp_path / "hidden")
    monkeypatch.setattr(os, "kill", forbid)
    assert process_start(1) == UNKNOWN_START
