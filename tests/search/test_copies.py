import shutil

import pytest
from fake import commit_search

from emtnas_hpc.errors import DamagedError, InputError
from emtnas_hpc.search.copies import copy_last_two, copy_newest_common
from emtnas_hpc.store.paths import RunPaths


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
        raise shutil.Error("no space")

    monkeypatch.setattr(shutil, "copytree", refuse)
    with pytest.raises(shutil.Error):
        copy_last_two(stage("run", 2), folder)
