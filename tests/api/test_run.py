"""A run as a notebook sees it."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emtnas_hpc.api import load_run
from emtnas_hpc.checkpoint.manifest import MANIFEST, Manifest, read_manifest, record_of
from emtnas_hpc.errors import DamagedError, InputError
from emtnas_hpc.space.architecture import parse_genotype


def test_a_run_tells_what_it_is_and_how_far(loaded, whole):
    assert load_run(str(whole)).directory == loaded.directory == whole
    assert (loaded.experiment.name, loaded.seed) == ("tiny", 0)
    assert loaded.tasks == ("digits", "again")
    assert (loaded.generation, loaded.finished) == (2, True)


def test_an_incumbent_is_an_architecture_with_its_true_fitness(loaded):
    found = loaded.incumbent("again")
    assert found.task == "again"
    assert parse_genotype(found.genotype) == found.architecture
    generations = loaded.history.generations
    assert found.id == generations.incumbent[-1, 1]
    assert found.true_fitness == generations.true_fitness[:, 1].max()


def test_of_several_tasks_one_must_be_named(loaded):
    for task in (None, "cifar10"):
        with pytest.raises(InputError, match=f"task is {task!r}, expected one of digits, again"):
            loaded.incumbent(task)


def test_retrainings_tell_their_verdicts(loaded):
    assert [r.name.partition("-quick")[0] for r in loaded.retrainings] == [
        *("again-n1", "again-n2", "digits-n1", "digits-n2")
    ]
    assert all(r.test is not None and 0 <= r.test.accuracy <= 1 for r in loaded.retrainings)
    assert all(len(r.record.epochs) == 1 for r in loaded.retrainings)


def test_a_retraining_hands_out_its_network_in_evaluation(loaded):
    network = loaded.retrainings[3].network()
    assert not network.training
    with torch.no_grad():
        assert network(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def test_a_retraining_that_diverged_says_so_and_hands_out_no_network_unless_it_has_to(copied):
    stage = load_run(copied).retrainings[0].retrained.stage
    record = stage.commit(stage.steps()[-1]) / "record.json"
    told = json.loads(record.read_text(encoding="utf-8"))
    told["epochs"][0]["train_loss"] = None
    record.write_text(json.dumps(told), encoding="utf-8")
    renew_manifest(record.parent)
    diverged, *others = load_run(copied).retrainings
    assert (diverged.diverged, [each.diverged for each in others]) == ("epoch 1", [""] * 3)
    assert math.isnan(diverged.test.accuracy)
    with pytest.raises(
        InputError, match=r"diverged in epoch 1: its weights are no result; retrain"
    ):
        diverged.network()
    with pytest.warns(UserWarning, match="diverged in epoch 1: its weights are no result"):
        assert not diverged.network(force=True).training


def test_weights_that_are_no_numbers_are_no_network_whatever_the_record_says(copied):
    retrained = load_run(copied).retrainings[0].retrained
    weights = retrained.stage.commit(retrained.stage.steps()[-1]) / "weights.pt"
    state = torch.load(weights, weights_only=True)
    state["weights"][0] = torch.nan
    torch.save(state, weights)
    renew_manifest(weights.parent)
    with pytest.raises(InputError, match="diverged in its last steps"):
        load_run(copied).retrainings[0].network()


def renew_manifest(commit: Path) -> None:
    """Makes a commit good again whose files were changed."""
    manifest = read_manifest(commit)
    assert isinstance(manifest, Manifest)
    files = {name: record_of(commit / name) for name in manifest.files}
    (commit / MANIFEST).write_text(replace(manifest, files=files).to_text(), encoding="utf-8")


def test_an_incumbent_says_whether_its_search_diverged(loaded):
    assert [loaded.incumbent(task).diverged_in for task in loaded.tasks] == [None, None]


def test_an_unfinished_retraining_has_no_network_yet(copied):
    stage = load_run(copied).retrainings[0].retrained.stage
    shutil.rmtree(stage.commit(stage.steps()[-1]))
    unfinished = load_run(copied).retrainings[0]
    assert unfinished.test is None
    with pytest.raises(InputError, match="is not finished, and has no network yet"):
        unfinished.network()


def test_what_is_no_run_is_refused(tmp_path, whole):
    for directory in (tmp_path, tmp_path / "nowhere", whole.parent):
        with pytest.raises(InputError, match="is no run: expected the directory of one seed"):
            load_run(directory)


def test_foreign_settings_are_refused(tmp_path):
    (tmp_path / "experiment.toml").write_text("[project]\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"experiment\.toml is not the experiment\.toml of a run"):
        load_run(tmp_path)


def test_a_run_of_which_no_commit_is_good_is_damaged(copied):
    for history in copied.glob("search/*/state.h5"):
        history.write_bytes(b"")
    with pytest.raises(DamagedError, match=r"no commit has a good state\.h5"):
        load_run(copied)


def test_a_run_that_has_committed_nothing_has_no_history_yet(copied):
    shutil.rmtree(copied / "search")
    fresh = load_run(copied)
    assert (fresh.generation, fresh.finished) == (0, False)
    for look in (lambda: fresh.history, lambda: fresh.incumbent("digits")):
        with pytest.raises(InputError, match="the search has committed nothing"):
            look()
