from pathlib import Path

import pytest

from emtnas_hpc.cli.options import parse_seeds
from emtnas_hpc.cli.runs import find_runs


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("1", (0,)),
        ("5", (0, 1, 2, 3, 4)),
        ("5,7", (5, 7)),
        ("5,", (5,)),
        ("7, 5", (7, 5)),
        ("4294967295,", (4294967295,)),
    ],
)
def test_a_number_says_how_many_seeds_and_a_list_which(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


def test_seeds_are_found_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("b/seed-10", "b/seed-9", "a/seed-1", "b/jobs", "a/seed-x"):
        (tmp_path / name).mkdir(parents=True)
    names = ["a/seed-x", "a/seed-1", "b/seed-9", "b/seed-10"]
    assert find_runs([], tmp_path) == [tmp_path / name for name in names]
    assert find_runs(["b", "a"], tmp_path) == [tmp_path / names[i] for i in (2, 3, 0, 1)]


def test_a_folder_that_lies_here_does_not_hide_a_run_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/seed-1", "runs/a/seed-2"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert find_runs(["a"], Path("runs")) == [Path("runs/a/seed-2")]
    assert find_runs(["./a"], Path("elsewhere")) == [Path("a/seed-1")]


def test_a_run_is_found_by_its_commits_where_its_experiment_is_gone(tmp_path: Path) -> None:
    (tmp_path / "a/seed-1/search").mkdir(parents=True)
    assert find_runs(["a/seed-1"], tmp_path) == [tmp_path / "a/seed-1"]
