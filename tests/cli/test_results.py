import errno
import json
import math
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from command_line import TINY, Emtnas, snapshot
from fake import commit_search

from emtnas_hpc.space.architecture import parse_genotype

pytestmark = pytest.mark.slow


def test_the_report_is_a_table_that_nothing_is_cut_off_from(
    emtnas: Emtnas, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    result = emtnas("report", "--runs", finished)
    assert (result.code, result.err) == (0, "")
    title, heading, _rule, row, blank, *notes = result.out.splitlines()
    assert blank == ""
    assert title == "tiny: seeds 0, 1 (n = 2); supernet, batch norm recalibrated"
    assert re.split(r"\s{2,}", heading.strip()) == [
        "task",
        "true %",
        "first %",
        "sampled %",
        "params M",
        "MACs M",
        "train s",
        "eval. s",
        "search s",
    ]
    assert row.startswith("digits ")
    assert row.count("±") == 8
    assert notes[0] == (
        "Mean ± sample standard deviation over seeds. These are the supernet's accuracies on "
        "validation images: how a search went, never which setting is better."
    )


def test_the_report_fits_a_terminal_of_80_columns(
    emtnas: Emtnas, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    out = emtnas("report", "--runs", finished).out
    assert "…" not in out
    assert out.count("±") == 9
    assert max(map(len, out.splitlines())) <= 80


def test_the_report_as_json_has_every_number(emtnas: Emtnas, finished: Path) -> None:
    values = json.loads(emtnas("report", "--runs", finished, "--json").out)
    assert set(values) == {"experiments", "seeds", "problems", "tables", "retrainings"}
    (experiment,) = values["experiments"]
    assert (experiment["name"], experiment["seeds"]) == ("tiny", [0, 1])
    quantities = experiment["tasks"][0]["quantities"]
    seeds = [seed["tasks"][0] for seed in values["seeds"]]
    for name, statistic in quantities.items():
        a, b = (seed[name] for seed in seeds)
        assert statistic["mean"] == pytest.approx((a + b) / 2)
        assert statistic["std"] == pytest.approx(abs(a - b) / math.sqrt(2))
    parse_genotype(seeds[0]["genotype"])


def test_what_one_seed_cannot_tell_is_null_in_json(emtnas: Emtnas, finished: Path) -> None:
    values = json.loads(emtnas("report", finished / "tiny/seed-1", "--json").out)
    assert values["experiments"][0]["tasks"][0]["quantities"]["macs"]["std"] is None


@pytest.mark.parametrize("run", ["tiny", "{runs}/tiny", "{runs}", "{runs}/tiny/seed-0"])
def test_a_run_may_be_called_by_name_or_folder(emtnas: Emtnas, finished: Path, run: str) -> None:
    result = emtnas("report", run.format(runs=finished), "--runs", finished)
    assert result.out.startswith("tiny: seed")


def test_a_damaged_run_is_named_and_the_others_are_reported(
    emtnas: Emtnas, finished: Path, here: Path
) -> None:
    runs = here / "runs"
    shutil.copytree(finished, runs)
    (state,) = runs.glob("tiny/seed-0/search/*/state.h5")
    state.write_bytes(state.read_bytes()[:-1])
    (runs / "tiny/seed-2").mkdir()
    before = snapshot(runs)
    result = emtnas("report")
    assert result.code == 0
    assert result.out.startswith("tiny: seed 1 (n = 1); supernet, batch norm recalibrated\n")
    damaged, empty = result.err.splitlines()
    assert damaged.startswith("skipped runs/tiny/seed-0: no commit has a good state.h5; ")
    assert empty == "skipped runs/tiny/seed-2: nothing has been committed yet"
    assert snapshot(runs) == before


def test_a_report_without_a_single_readable_run_is_an_error(emtnas: Emtnas, here: Path) -> None:
    (here / "runs/tiny/seed-0").mkdir(parents=True)
    result = emtnas("report")
    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines()[-1] == ("error: no commit that can be read in runs/tiny/seed-0")


def test_inspect_shows_population_and_incumbent_with_its_cells(
    emtnas: Emtnas, finished: Path
) -> None:
    result = emtnas("inspect", finished / "tiny/seed-0")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "tiny, seed 0: generation 2 of 2, batch norm recalibrated"
    assert lines[2] == "digits: the population"
    assert lines[3].split() == ["id", "born", "fitness", "sampled", "operator", "parents"]
    assert "digits: the incumbent" in lines
    assert {"reduction cell", "normal cell"} <= set(lines)
    parse_genotype(lines[-1].removeprefix("genotype: "))


def test_inspect_as_json_agrees_with_the_report(emtnas: Emtnas, finished: Path) -> None:
    run = finished / "tiny/seed-0"
    shown = json.loads(emtnas("inspect", run, "--json").out)
    reported = json.loads(emtnas("report", run, "--json").out)["seeds"][0]
    assert (shown["name"], shown["seed"], shown["generation"]) == ("tiny", 0, 2)
    (task,) = shown["tasks"]
    expected = reported["tasks"][0]
    assert {name: task[name] for name in expected} == expected
    assert len(task["population"]) == 3
    assert task["true_fitness_by_generation"][0] == expected["first_true_fitness"]
    assert len(task["fitness_by_generation"]) == 2


def test_verify_repeats_a_run_and_leaves_it_alone(
    emtnas: Emtnas, finished: Path, data: Path
) -> None:
    before = snapshot(finished)
    result = emtnas("verify", "tiny/seed-0", "--runs", finished, "--data", data)
    run = finished / "tiny/seed-0"
    assert result.code == 0, result.out
    assert result.err == "repeating generations 1 to 2\n"
    assert result.out == f"{run} and its repetition are equal bit for bit at generation 2\n"
    assert snapshot(finished) == before


def test_verify_says_that_chunks_of_the_evaluation_were_others(
    emtnas: Emtnas, finished: Path, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "tiny/seed-0"
    shutil.copytree(finished / "tiny/seed-0", run)
    changed = 0
    for file in (run / "attempts").iterdir():
        text = re.sub(r'("evaluation_chunks": \{"digits": )\d+', r"\g<1>7", file.read_text())
        changed += text != file.read_text()
        file.write_text(text)
    assert changed
    result = emtnas("verify", run, "--data", data)
    assert (result.code, "evaluation_chunks {'digits': 7" in result.err) == (0, True)
    assert "equal bits are not promised" in result.err


@pytest.mark.parametrize("file", ["state.h5", "manifest.json"])
def test_a_pipe_in_place_of_a_file_is_named_and_not_waited_for(
    emtnas: Emtnas, finished: Path, tmp_path: Path, file: str
) -> None:
    shutil.copytree(finished, tmp_path / "runs")
    pipe = tmp_path / "runs/tiny/seed-0/search/000002" / file
    pipe.unlink()
    os.mkfifo(pipe)
    why = f"cannot read {pipe}: Illegal seek; a pipe or a device is where a file is expected"
    shown = emtnas("status", "--runs", tmp_path / "runs")
    assert "a pipe or a device is where a file is expected" in " ".join(shown.out.split())
    assert re.search(r"seed-0 .*unreadable.*\?/2", shown.out)
    assert "seed-1" in shown.out
    assert why in emtnas("inspect", "tiny/seed-0", "--runs", tmp_path / "runs").err


def test_a_disk_that_refuses_leaves_the_report_of_before(
    emtnas: Emtnas, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = ("report", "--runs", finished, "--output", tmp_path / "out")
    assert emtnas(*report).code == 0
    before = snapshot(tmp_path / "out")

    def refuse(_path: Path, _data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("emtnas_hpc.checkpoint.atomic.write_synced", refuse)
    for command in (report, ("inspect", finished / "tiny/seed-0", "--svg", tmp_path / "svg")):
        refused = emtnas(*command)
        assert (refused.code, "No space left on device; choose another --" in refused.err) == (
            1,
            True,
        )
    assert snapshot(tmp_path / "out") == before
    assert list((tmp_path / "svg").iterdir()) == []


def test_verify_names_the_command_that_prepares_the_data_of_this_very_run(
    emtnas: Emtnas, finished: Path, data: Path, here: Path
) -> None:
    shutil.copytree(data, here / "my data")
    file = here / "my data/package-digits/train_images.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    command = ("verify", finished / "tiny/seed-0", "--data", "my data")
    refused = emtnas(*command)
    assert (refused.code, refused.out) == (2, "")
    _told, _, mend = refused.err.splitlines()[-1].partition("; make it anew with: emtnas-hpc ")
    assert mend == f"prepare {finished}/tiny/seed-0/experiment.toml --data 'my data'"
    assert emtnas(*shlex.split(mend)).code == 0
    assert file.read_bytes() == whole
    assert emtnas(*command).code == 0


def test_a_runs_own_experiment_can_be_run_again(emtnas: Emtnas, finished: Path, data: Path) -> None:
    experiment = finished / "tiny/seed-1/experiment.toml"
    result = emtnas("run", experiment, "--seeds", "1,", "--runs", finished, "--data", data)
    assert (result.code, result.err.splitlines()[0]) == (0, "seed 1: finished, 2 generations")


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_verify_says_what_mends_a_damaged_commit_and_that_does(
    emtnas: Emtnas, finished: Path, data: Path, here: Path, damage: str
) -> None:
    command = ("run", *TINY, "--set", "run.commit_interval_s=0", "--name", "tiny", "--data", data)
    assert emtnas(*command).code == 0
    file = here / "runs/tiny/seed-0/search/000002/state.h5"
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(b"noise")
    result = emtnas("verify", "tiny", "--data", data)
    assert (result.code, result.out) == (1, "")
    found = "no file" if damage == "missing" else r"5 bytes with SHA-256 [0-9a-f]{12}"
    assert re.fullmatch(
        r"error: runs/tiny/seed-0/search/000002 is damaged: state\.h5: expected \d+ bytes with "
        rf"SHA-256 [0-9a-f]{{12}}, found {found}; the `run` command that made it sets it aside and "
        r"goes on from the one before\n",
        result.err,
    )
    assert "kept as 000002.damaged-1, going on from 000001" in emtnas(*command).err
    assert emtnas("verify", "tiny", "--data", data).code == 0


def test_a_title_names_the_seeds_that_are_not_finished(
    emtnas: Emtnas, here: Path, data: Path
) -> None:
    for seed in (0, 1):
        commit_search(here / f"runs/pair/seed-{seed}", seed=seed, generations=5, until=2)
    commit_search(here / "runs/pair/seed-2", seed=2, generations=5)
    title = emtnas("report").out.splitlines()[0]
    assert title == (
        "fake: seed 2 (n = 1), seeds 0, 1 not finished and left out; supernet, batch norm batch"
    )


def test_verify_finds_a_copy_equal_and_another_seed_different(
    emtnas: Emtnas, finished: Path, here: Path
) -> None:
    shutil.copytree(finished / "tiny", here / "copy")
    equal = emtnas("verify", "tiny/seed-0", "copy/seed-0", "--runs", finished)
    assert equal.code == 0
    assert equal.out.endswith("are equal bit for bit at generation 2\n")
    different = emtnas("verify", "tiny/seed-0", "tiny/seed-1", "--runs", finished)
    assert different.code == 5
    assert " differ at generation 2: state.h5: " in different.out
    assert len(different.out.splitlines()) == 1


def test_prepare_says_what_is_there_and_can_be_repeated(emtnas: Emtnas, here: Path) -> None:
    first = emtnas("prepare", *TINY)
    second = emtnas("prepare", *TINY)
    assert (first.code, second.code) == (0, 0)
    assert first.out == second.out
    assert first.out.startswith("digits: 10 classes, 1 x 8 x 8, digest ")
    assert "preparing package:digits" in first.err
    assert "preparing" not in second.err
    (row,) = json.loads(emtnas("prepare", *TINY, "--json").out)
    assert first.out.endswith(f"digest {row['digest'][:12]}\n")


def test_prepare_says_that_a_size_is_that_of_pooled_images(emtnas: Emtnas, here: Path) -> None:
    result = emtnas(
        "prepare", "cifar", "--set", "tasks=['mnist5k']", "--set", "task.mnist5k.pool=2"
    )
    assert "test images of 28x28x1, " in result.err
    assert "mnist5k: 10 classes, 1 x 14 x 14 after pooling by 2, digest " in result.out


def test_prepare_makes_damaged_data_anew(emtnas: Emtnas, here: Path) -> None:
    emtnas("prepare", *TINY)
    file = here / "data/package-digits/train_images.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    result = emtnas("prepare", *TINY)
    assert result.code == 0
    assert "preparing package:digits: " in result.err
    assert file.read_bytes() == whole
