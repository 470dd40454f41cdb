import errno
import shutil

import pytest
from fake import commit_search

from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.errors import DamagedError, InputError, StorageError
from emtnas_hpc.search.verify import (
    copy_last_two,
    copy_newest_common,
    folder_for_copies,
    is_owned,
)


@pytest.fixture
def stage(tmp_path):
    def make(name, until):
        commit_search(tmp_path / name, until=until)
        return RunPaths(tmp_path / name).stage("search")

    return make


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "copies").mkdir()
    return tmp_path / "copies"


def test_the_last_two_commits_are_copied(stage, folder):
    before, newest = copy_last_two(stage("run", 4), folder)
    assert (before.step, newest.step) == (3, 4)
    assert (newest.directory / "state.h5").is_file()


def test_a_single_commit_has_none_before_it(stage, folder):
    before, newest = copy_last_two(stage("run", 1), folder)
    assert (before, newest.step) == (None, 1)


def test_a_run_without_commits_is_refused(tmp_path, folder):
    with pytest.raises(InputError, match="nothing has been committed yet"):
        copy_last_two(RunPaths(tmp_path / "run").stage("search"), folder)


def test_two_runs_are_met_at_their_newest_common_commit(stage, folder):
    a, b = copy_newest_common(stage("a", 4), stage("b", 3), folder)
    assert a.step == b.step == 3


@pytest.mark.parametrize("moment", ["before", "while"])
def test_a_commit_that_its_owner_deletes_meanwhile_is_no_damage(stage, folder, monkeypatch, moment):
    running, further = stage("run", 2), stage("further", 3)
    real = shutil.copytree

    def copy_while_the_owner_goes_on(source, target, **_options):
        if source == running.commit(1):
            real(further.commit(3), running.commit(3))
            if moment == "while":
                real(source, target)
            shutil.rmtree(source)
        return real(source, target, dirs_exist_ok=True)

    monkeypatch.setattr(shutil, "copytree", copy_while_the_owner_goes_on)
    before, newest = copy_last_two(running, folder)
    assert (before.step, newest.step) == (2, 3)


@pytest.mark.parametrize(
    ("damaged", "mends"),
    [
        ({2}, "the `run` command that made it sets it aside and goes on from the one before"),
        ({1}, "a search goes on without it, but only a backup brings back what is compared here"),
        ({1, 2}, "restore it from a backup, or move {stage} away to begin anew"),
    ],
)
def test_a_damaged_commit_is_named_with_what_mends_it(stage, folder, damaged, mends):
    run = stage("run", 2)
    for step in damaged:
        (run.commit(step) / "task0.pt").write_text("noise")
    with pytest.raises(DamagedError) as caught:
        copy_last_two(run, folder)
    message = str(caught.value)
    assert message.startswith(f"{run.commit(max(damaged))} is damaged: task0.pt: expected ")
    assert message.endswith(f"; {mends.format(stage=run.directory)}")


def test_a_disk_that_refuses_is_not_taken_for_an_owner(stage, folder, monkeypatch):
    def refuse(_source, _target):
        raise OSError(errno.ENOSPC, "no")

    monkeypatch.setattr(shutil, "copyfileobj", refuse)
    with pytest.raises(StorageError) as caught:
        copy_last_two(stage("run", 2), folder)
    line = f"cannot write {folder / 'newest'}: No space left on device; it takes 0.0 MB there: "
    assert str(caught.value) == line + "make room, or set TMPDIR to a folder that has it"


def test_what_nobody_owns_is_not_copied(stage, folder):
    run = stage("run", 2)
    before, newest = copy_last_two(run, folder, owned=False)
    assert (before.directory, newest.directory) == (run.commit(1), run.commit(2))
    a, b = copy_newest_common(run, stage("other", 2), folder, owned=(False, True))
    assert (a.directory, b.directory) == (run.commit(2), folder / "b")
    assert [path.name for path in folder.iterdir()] == ["b"]


def test_a_run_is_owned_as_long_as_its_record_stands(stage):
    run = RunPaths(stage("run", 2).directory.parent)
    assert not is_owned(run)
    run.owner.touch()
    assert is_owned(run)
    run.owner.unlink()
    run.owner.symlink_to("owner")  # nobody can tell
    assert is_owned(run)


@pytest.mark.parametrize("folder_of_all", ["missing", "file"])
def test_a_tmpdir_that_cannot_be_used_is_named_and_no_other_is_taken(
    tmp_path, monkeypatch, folder_of_all
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TMPDIR", str(tmp_path / folder_of_all))
    with (
        pytest.raises(InputError, match=f"TMPDIR is '.*/{folder_of_all}', which cannot be used"),
        folder_for_copies(),
    ):
        pass
