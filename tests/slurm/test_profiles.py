from pathlib import Path
from typing import Any

import pytest

from emtnas_hpc.errors import InputError
from emtnas_hpc.slurm.profile import (
    Layer,
    Profile,
    default_layer,
    layer_of_partition,
    named_layer,
    profile_files,
    shipped_directory,
    stack,
    typed_layers,
)


@pytest.fixture(autouse=True)
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's profiles, empty."""
    folder = tmp_path / "profiles"
    folder.mkdir()
    monkeypatch.setenv("EMTNAS_PROFILES", str(folder))
    return folder


def test_every_shipped_profile_can_be_used() -> None:
    names = [path.stem for path in shipped_directory().glob("*.toml")]
    assert "default" in names
    for name in names:
        stack([default_layer(), named_layer(name)])


def test_the_shipped_default_says_what_the_program_assumes() -> None:
    assert stack([default_layer()]).profile == Profile()


def test_a_profile_is_found_by_name_and_by_file(profiles: Path) -> None:
    file = profiles / "site.toml"
    file.write_text("cpus = 8\n")
    for name in ("site", str(file)):
        layer = named_layer(name)
        assert (layer.values, layer.origin) == ({"cpus": 8}, str(file))


def test_a_users_profile_goes_before_a_shipped_one_of_its_name(profiles: Path) -> None:
    (profiles / "default.toml").write_text("cpus = 8\n")
    assert named_layer("default").values == {"cpus": 8}
    assert default_layer().values["cpus"] == 4


def test_profiles_beside_the_runs_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EMTNAS_PROFILES")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm" / "site.toml").write_text("")
    assert "site" in profile_files()


@pytest.mark.parametrize("name", ["stie", "nowhere.toml"])
def test_a_profile_that_is_not_there_is_refused_with_those_that_are(
    profiles: Path, name: str
) -> None:
    (profiles / "site.toml").write_text("")
    with pytest.raises(InputError) as refusal:
        named_layer(name)
    assert f"no profile or TOML file {name!r}" in str(refusal.value)
    assert "profiles are: default, example-2080ti, site" in str(refusal.value)


def test_a_profile_that_is_no_toml_is_named(profiles: Path) -> None:
    (profiles / "site.toml").write_text("cpus = \n")
    with pytest.raises(InputError, match=r"site\.toml is not valid TOML"):
        named_layer("site")


def test_the_one_profile_of_a_partition_is_found(profiles: Path) -> None:
    (profiles / "a.toml").write_text('partition = "gpu"\n')
    (profiles / "b.toml").write_text('partition = "long"\n')
    found = layer_of_partition("gpu")
    assert found is not None
    assert found.origin == str(profiles / "a.toml")
    assert layer_of_partition("other") is None


def test_of_two_profiles_of_a_partition_one_must_be_chosen(profiles: Path) -> None:
    (profiles / "a.toml").write_text('partition = "gpu"\n')
    (profiles / "b.toml").write_text('partition = "gpu"\n')
    with pytest.raises(InputError, match=r"a\.toml and .*b\.toml; say which with --profile"):
        layer_of_partition("gpu")


def test_a_later_layer_goes_over_an_earlier_one_value_by_value() -> None:
    site = {"cpus": 8, "time": "12:00:00", "sbatch": {"exclude": "n1", "comment": "x"}}
    resolved = stack(
        [
            default_layer(),
            Layer(site, "site.toml"),
            Layer({"time": 30, "sbatch": {"comment": "y"}}, "typed"),
        ]
    )
    assert resolved.profile.time == 30
    assert resolved.profile.sbatch == {"exclude": "n1", "comment": "y"}
    assert resolved.origins["gpus"] == "the shipped default"
    assert resolved.origins["cpus"] == "site.toml"
    assert resolved.origins["time"] == "typed"
    assert resolved.origins["sbatch.exclude"] == "site.toml"
    assert resolved.origins["sbatch.comment"] == "typed"


def test_what_is_typed_says_with_which_option() -> None:
    resolved = stack(typed_layers("gpu", "1-0", 2, ["qos=long", "exclusive", "--mail-type=FAIL"]))
    assert resolved.profile == Profile(
        partition="gpu",
        time=1440,
        gpus=2,
        qos="long",
        sbatch={"exclusive": True, "mail-type": "FAIL"},
    )
    assert resolved.origins["partition"] == "--partition"
    assert resolved.origins["time"] == "--time"
    assert resolved.origins["gpus"] == "--gpus"
    assert resolved.origins["qos"] == "--sbatch"
    assert resolved.origins["sbatch.exclusive"] == "--sbatch"


@pytest.mark.parametrize(
    ("text", "gigabytes"), [("32G", 32), ("32GB", 32), ("2048", 2), ("512M", 0.5), ("1T", 1024)]
)
def test_memory_may_be_typed_as_slurm_writes_it(text: str, gigabytes: float) -> None:
    assert stack(typed_layers("", "", None, [f"mem={text}"])).profile.memory_gb == gigabytes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mem=much", "--sbatch is 'mem=much', expected a number there"),
        ("qos", "--sbatch is 'qos', expected a value too: --sbatch qos=VALUE"),
        ("mem", "--sbatch is 'mem', expected a value too: --sbatch mem=VALUE"),
        ("cpus-per-task=few", "--sbatch is 'cpus-per-task=few', expected a number there"),
        ("=5", "--sbatch is '=5', expected an option of sbatch such as qos=long"),
        ("array=0-4", "--sbatch: sbatch: expected no array here: a job sets it itself"),
        ("gres=gpu:2", "--sbatch: sbatch.gres is 'gpu:2', expected no GPUs there: they"),
        ("gres=shard:1,gpu", "--sbatch: sbatch.gres is 'shard:1,gpu', expected no GPUs there"),
        ("setup=ls", "--sbatch setup=... is no option of sbatch; write it into a profile"),
        ("time=soon", "--sbatch: time is 'soon', expected a time limit such as"),
    ],
)
def test_an_option_that_cannot_be_understood_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as refusal:
        stack(typed_layers("", "", None, [text]))
    assert str(refusal.value).startswith(message)


MEMORY = ("memory_gb", "mem", "mem-per-cpu", "mem-per-gpu")


def _memory(*layers: Layer) -> dict[str, Any]:
    profile = stack([default_layer(), *layers]).profile
    values = {"memory_gb": profile.memory_gb, **profile.sbatch}
    return {name: values[name] for name in MEMORY if values.get(name)}


@pytest.mark.parametrize(
    ("site", "typed", "left"),
    [
        ({}, [], {"memory_gb": 16}),
        ({"memory_gb": 0}, [], {}),
        ({"sbatch": {"mem-per-cpu": "4G"}}, [], {"mem-per-cpu": "4G"}),
        ({"sbatch": {"mem-per-gpu": "4G"}}, [], {"mem-per-gpu": "4G"}),
        ({"sbatch": {"mem-per-cpu": False}}, [], {"memory_gb": 16}),
        ({"memory_gb": 0, "sbatch": {"mem-per-cpu": "4G"}}, [], {"mem-per-cpu": "4G"}),
        ({"memory_gb": 8}, ["mem-per-cpu=2G"], {"mem-per-cpu": "2G"}),
        ({"sbatch": {"mem-per-cpu": "4G"}}, ["mem=8G"], {"memory_gb": 8}),
        ({"sbatch": {"mem-per-cpu": "4G"}}, ["mem_per_gpu=8G"], {"mem-per-gpu": "8G"}),
        ({"sbatch": {"mem-per-cpu": "4G"}}, ["mem=0"], {"mem": "0"}),
        ({"sbatch": {"mem": "0"}}, ["mem=8000"], {"memory_gb": 7.8125}),
        ({"memory_gb": 8}, ["mem=0G"], {"mem": "0G"}),
        ({"sbatch": {"mem-per-cpu": "4G"}}, ["memory-gb=0"], {}),
    ],
)
def test_memory_is_asked_for_in_one_way_the_last_that_was_said(
    site: dict[str, Any], typed: list[str], left: dict[str, Any]
) -> None:
    assert _memory(Layer(site, "site.toml"), *typed_layers("", "", None, typed)) == left


def test_what_goes_over_another_way_of_asking_for_memory_is_said() -> None:
    typed = typed_layers("", "", None, ["mem-per-cpu=2G"])
    resolved = stack([default_layer(), Layer({"memory_gb": 8}, "site.toml"), *typed])
    assert resolved.remarks == ("sbatch.mem-per-cpu (--sbatch) goes over memory_gb (site.toml)",)
    assert resolved.origins["memory_gb"] == "asked for by sbatch.mem-per-cpu instead"
    assert stack([default_layer(), *typed]).remarks == ()


def test_two_ways_of_asking_for_memory_in_one_place_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "both.toml"
    file.write_text('memory_gb = 8\n[sbatch]\nmem-per-cpu = "4G"\n')
    said = "memory_gb and sbatch.mem-per-cpu both ask for memory, and sbatch takes one of them"
    with pytest.raises(InputError, match=f"{file}: {said}; leave one out"):
        named_layer(str(file))
    with pytest.raises(InputError, match=f"--sbatch: {said}"):
        typed_layers("", "", None, ["mem=8G", "mem-per-cpu=1G"])
    with pytest.raises(InputError, match=r"sbatch\.mem and sbatch\.mem-per-gpu both ask"):
        typed_layers("", "", None, ["mem=0", "mem-per-gpu=1G"])


def test_the_least_memory_is_a_megabyte_since_none_means_all() -> None:
    assert stack(typed_layers("", "", None, ["mem=100K"])).profile.memory_mb == 1
