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

    def copy_while_the_owner_goes_on(source, target):
        if source == running.commit(1):
            real(further.commit(3), running.commit(3))
            if moment == "while":
                real(source, target)
            shutil.rmtree(source)
        return real(source, target, dirs_exist_ok=True)

    monkeypatch.setattr(shutil, "copytree", copy_while_the_owner_goes_on)
    before, newest = copy_last_two(running, folder)
    assert (before.step, newest.step) == (2, 3)


def test_a_damaged_commit_is_named(stage, folder):
    run = stage("run", 2)
    (run.commit(2) / "task0.pt").write_text("noise")
    with pytest.raises(DamagedError, match=r"000002 is damaged: task0\.pt"):
        copy_last_two(run, folder)


def test_a_disk_that_refuses_is_not_taken_for_an_owner(stage, folder, monkeypatch):
    def refuse(_source, _target):
        raise shutil.Error("no space")

    monkeypatch.setattr(shutil, "copytree", refuse)
    with pytest.raises(shutil.Error):
        copy_last_two(stage("run", 2), folder)
