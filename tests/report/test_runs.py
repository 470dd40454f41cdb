import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fake_runs import SHORT, Retrained, make_run

from emtnas_hpc.checkpoint.manifest import MANIFEST, read_manifest
from emtnas_hpc.errors import DamagedError, InputError
from emtnas_hpc.report.experiments import experiments_of
from emtnas_hpc.report.load import read_run, read_runs
from emtnas_hpc.report.searches import search_table
from emtnas_hpc.report.tables import build_tables

#: Reads the runs of a folder and prints every file that Python opened below it.
OPENED = """
import json, sys
from pathlib import Path
opened = []
sys.addaudithook(lambda name, given: opened.append(str(given[0])) if name == "open" else None)
from emtnas_hpc.report.load import read_runs
from emtnas_hpc.report.tables import build_tables
found = read_runs(sorted(Path(sys.argv[1]).glob("*/seed-*")), every_seed=False)
assert build_tables(found.runs)
assert "torch" not in sys.modules
print(json.dumps([name for name in opened if name.startswith(sys.argv[1])]))
"""


def test_a_run_has_settings_search_and_retrainings(tmp_path):
    directory = make_run(tmp_path, "cifar", SHORT, seed=3, retrained=Retrained((2, 3)))
    run = read_run(directory, problems := [])
    assert problems == []
    assert run.tasks == ("cifar10", "cifar100")
    assert run.settings["search.rmp"] == 0.3
    assert (run.seed, run.finished) == (3, True)
    assert run.search.arrays.individuals.n_steps.sum() == 2 * 3 * 12
    assert [(r.header.task, r.header.shape.n_normal) for r in run.retrainings] == [
        *(("cifar10", 2), ("cifar10", 3), ("cifar100", 2), ("cifar100", 3))
    ]
    assert run.conditions("search")[0]["device_model"] == "Fake CPU"


def opened_below(runs):
    command = [sys.executable, "-c", OPENED, str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(map(Path, json.loads(done.stdout)))


def test_only_small_files_are_opened_and_no_weights(tmp_path):
    directory = make_run(tmp_path, "cifar", SHORT, weights=50_000_000)
    assert sum(1 for _file in directory.rglob("*.pt")) == 4
    assert {file.suffix for file in opened_below(tmp_path)} == {".toml", ".jsonl", ".json", ".h5"}


def test_a_task_is_known_by_its_source_whatever_it_is_called(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "mine"\ntasks = ["small"]\n[search]\ngenerations = 3\n'
        '[task.small]\nsource = "torchvision:CIFAR10"\n'
    )
    run = read_run(make_run(tmp_path, str(file)), [])
    assert run.tasks == ("cifar10",)


def test_without_its_settings_a_run_is_still_read(tmp_path):
    directory = make_run(tmp_path, "cifar", SHORT)
    (directory / "experiment.toml").unlink()
    run = read_run(directory, problems := [])
    assert (run.settings, run.tasks) == ({}, ("cifar10", "cifar100"))
    assert problems == [
        f"settings of {directory}: no experiment.toml, so it fits no table of the paper's; the "
        "command that made it writes it anew"
    ]


@pytest.mark.parametrize("content", [b"seed = [", b"\xff\xfe", b"seed = 1"])
def test_damaged_settings_are_named_and_the_run_is_still_read(tmp_path, content):
    directory = make_run(tmp_path, "cifar", SHORT)
    (directory / "experiment.toml").write_bytes(content)
    run = read_run(directory, problems := [])
    assert run.settings == {}
    assert len(problems) == 1
    assert problems[0].startswith(f"settings of {directory}: ")
    assert "\n" not in problems[0]


def test_a_damaged_retraining_is_named_and_the_others_are_read(tmp_path):
    directory = make_run(tmp_path, "cifar", SHORT)
    (record,) = directory.glob("retraining/cifar100-n2-long/*/record.json")
    record.write_text("{}")
    run = read_run(directory, problems := [])
    assert [retraining.header.task for retraining in run.retrainings] == ["cifar10"]
    stage = directory / "retraining/cifar100-n2-long"
    (problem,) = problems
    assert problem.startswith(
        f"{stage}: no commit has a good record.json; the newest, {record.parent}: record.json: "
    )


def test_retrainings_without_a_search_are_a_run_too(tmp_path):
    directory = make_run(tmp_path, "cifar10-single", SHORT)
    for file in sorted((directory / "search").rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    run = read_run(directory, [])
    assert run.search is None
    assert (run.tasks, run.finished, len(run.retrainings)) == ((), False, 1)


def test_a_damaged_search_and_an_empty_run_are_refused_and_the_others_read(tmp_path):
    good = make_run(tmp_path, "cifar", SHORT)
    bad = make_run(tmp_path, "cifar", SHORT, seed=1)
    for state in bad.rglob("state.h5"):
        state.write_bytes(state.read_bytes()[:-1])
    (empty := tmp_path / "cifar/seed-2").mkdir()
    found = read_runs([bad, good, empty])
    assert [run.directory for run in found.runs] == [good]
    assert found.problems[0].startswith(f"{bad}: no commit has a good state.h5")
    assert found.problems[1] == f"{empty}: nothing has been committed yet"
    with pytest.raises(DamagedError):
        read_run(bad, [])
    with pytest.raises(InputError):
        read_run(empty, [])


def test_of_one_search_in_two_places_the_one_that_came_further_counts(tmp_path):
    behind = make_run(tmp_path / "a", "cifar", SHORT, until=2, retrained=None)
    ahead = make_run(tmp_path / "b", "cifar", SHORT)
    found = read_runs([behind, ahead])
    assert [run.directory for run in found.runs] == [ahead]
    assert found.problems == (f"{behind}: the same search as {ahead}",)


def test_a_retraining_that_is_kept_in_two_folders_counts_once(tmp_path):
    directory = make_run(tmp_path, "cifar10-single", SHORT)
    kept = directory / "retraining/cifar10-n2-long"
    shutil.copytree(kept, copy := directory / "retraining/cifar10-n2-long-again")
    found = read_runs([directory])
    (run,) = found.runs
    assert len(run.retrainings) == 1
    assert found.problems == (f"{copy}: the same retraining as {kept}",)
    (table,) = build_tables(found.runs, [3])
    cells = {cell.n for row in table.rows if row.ours for cell in row.cells}
    assert cells == {None, 1}


def test_of_a_retraining_in_two_folders_the_one_that_came_further_counts(tmp_path):
    begun = make_run(tmp_path / "a", "cifar10-single", SHORT, retrained=Retrained(epochs=1))
    done = make_run(tmp_path / "b", "cifar10-single", SHORT)
    name = "retraining/cifar10-n2-long"
    shutil.copytree(done / name, begun / f"{name}-again")
    run = read_run(begun, problems := [])
    assert [retraining.finished for retraining in run.retrainings] == [True]
    assert problems == [f"{begun / name}: the same retraining as {begun / name}-again"]


@pytest.fixture
def finished_and_not(tmp_path):
    """A seed that is finished, and one that is not."""
    seed_0 = make_run(tmp_path, "cifar", SHORT)
    return [seed_0, make_run(tmp_path, "cifar", SHORT, seed=1, until=2, retrained=None)]


def test_how_far_a_seed_is_beside_a_finished_one_is_read_from_its_manifest(finished_and_not):
    state = finished_and_not[1] / "search/000002/state.h5"
    state.write_bytes(bytes(state.stat().st_size))
    found = read_runs(finished_and_not, every_seed=False)
    assert found.problems == ()
    assert [(run.search.generation, run.finished) for run in found.runs] == [(3, True), (2, False)]
    assert [run.directory for run in read_runs(finished_and_not).runs] == finished_and_not[:1]


def test_a_seed_known_by_its_manifest_is_reported_like_one_that_was_read(finished_and_not):
    whole, quick = (read_runs(finished_and_not, every_seed=every) for every in (True, False))
    read, known = (found.runs[1].search for found in (whole, quick))
    assert (known.tasks, known.arrays) == ((), None)
    assert replace(known.header, tasks=read.header.tasks) == read.header
    (table,) = build_tables(quick.runs, [3])
    assert (table,) == build_tables(whole.runs, [3])
    assert "Not finished and left out: cifar seed 1 (search, generation 2 of 3)." in table.notes
    tables = [search_table(*experiments_of(found.runs)) for found in (whole, quick)]
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    "why", ["no seed is finished", "no summary", "the finished one is damaged"]
)
def test_else_a_search_is_read_as_a_whole(finished_and_not, why):
    seed_0, seed_1 = finished_and_not
    if why == "no seed is finished":
        finished_and_not = [seed_1]
    elif why == "no summary":
        commit = seed_1 / "search/000002"
        without = replace(read_manifest(commit), summary=None)
        (commit / MANIFEST).write_text(without.to_text())
    else:
        state = seed_0 / "search/000003/state.h5"
        state.write_bytes(bytes(state.stat().st_size))
    found = read_runs(finished_and_not, every_seed=False)
    assert all(run.search.arrays for run in found.runs if run.search is not None)
    assert seed_1 in [run.directory for run in found.runs if run.search is not None]
