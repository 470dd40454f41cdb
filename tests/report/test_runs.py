import json
import subprocess
import sys

import pytest
from fake_runs import SHORT, Retrained, make_run

from emtnas_hpc.errors import DamagedError, InputError
from emtnas_hpc.report.load import read_run, read_runs

#: Reads runs and prints every file that Python opened below them.
OPENED = """
import json, sys
from pathlib import Path
opened = []
sys.addaudithook(lambda name, given: opened.append(str(given[0])) if name == "open" else None)
from emtnas_hpc.report.load import read_runs
from emtnas_hpc.report.tables import build_tables
found = read_runs([Path(argument) for argument in sys.argv[1:]])
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
    assert (run.search.seed, run.finished) == (3, True)
    assert run.trace.n_steps.sum() == 2 * 3 * 12
    assert [(r.header.task, r.header.shape.n_normal) for r in run.retrainings] == [
        *(("cifar10", 2), ("cifar10", 3), ("cifar100", 2), ("cifar100", 3))
    ]
    assert run.conditions("search")[0]["device_model"] == "Fake CPU"


def test_only_small_files_are_opened_and_no_weights(tmp_path):
    directory = make_run(tmp_path, "cifar", SHORT, weights=50_000_000)
    assert sum(1 for _file in directory.rglob("*.pt")) == 4
    done = subprocess.run(
        [sys.executable, "-c", OPENED, str(directory)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    suffixes = {name.rpartition(".")[2] for name in json.loads(done.stdout)}
    assert suffixes == {"toml", "jsonl", "json", "h5"}


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
