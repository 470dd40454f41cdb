from pathlib import Path

import pytest
from programs import GPU, NODES, StandIns

from emtnas_hpc.errors import InputError, SchedulerError
from emtnas_hpc.slurm.fit import JobOptions, resolve
from emtnas_hpc.slurm.profile import Profile


@pytest.fixture(autouse=True)
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's profiles, with one of partition `gpu`."""
    folder = tmp_path / "profiles"
    folder.mkdir()
    (folder / "ours.toml").write_text('partition = "gpu"\ncpus = 8\ntime = "6:00:00"\n')
    monkeypatch.setenv("EMTNAS_PROFILES", str(folder))
    return folder


@pytest.fixture
def site(stand_ins: StandIns) -> StandIns:
    """A cluster of two partitions."""
    stand_ins.partitions(GPU, "PartitionName=scav Default=NO MaxTime=08:00:00 State=UP")
    stand_ins.write("sinfo", NODES)
    return stand_ins


@pytest.mark.parametrize(
    ("wishes", "partition", "cpus", "minutes"),
    [
        (JobOptions(), "gpu", 8, 360),
        (JobOptions(partition="gpu"), "gpu", 8, 360),
        (JobOptions(sbatch=("partition=gpu",)), "gpu", 8, 360),
        (JobOptions(partition="scav"), "scav", 4, 480),
        (JobOptions(profile="ours", partition="scav"), "scav", 8, 360),
        (JobOptions(profile="default"), "gpu", 4, 1440),
        (JobOptions(time="90", gpus=2), "gpu", 8, 90),
    ],
)
def test_the_profile_is_the_one_named_else_the_one_of_the_partition_else_the_default(
    site: StandIns, wishes: JobOptions, partition: str, cpus: int, minutes: int
) -> None:
    profile = resolve(wishes).profile
    assert (profile.partition, profile.cpus, profile.time) == (partition, cpus, minutes)


def test_a_run_that_was_launched_keeps_what_it_asked_for(site: StandIns) -> None:
    standing = Profile(partition="scav", cpus=2, time=60, sbatch={"exclude": "n1"})
    kept = resolve(JobOptions(time="90", sbatch=("comment=x",)), standing)
    assert (kept.profile.partition, kept.profile.cpus, kept.profile.time) == ("scav", 2, 90)
    assert kept.profile.sbatch == {"exclude": "n1", "comment": "x"}
    assert (kept.origins["cpus"], kept.origins["time"]) == ("as launched", "--time")


#: What a job of partition `scav` asks for though nobody said it.
DEFAULTS = ("lead_time_s", "cpus", "memory_gb")


def test_what_launch_had_only_filled_in_is_found_anew(site: StandIns) -> None:
    launched = resolve(JobOptions(partition="scav", time="5"))
    assert (launched.profile.lead_time_s, launched.filled) == (75, DEFAULTS)
    longer = resolve(JobOptions(time="300"), launched.profile, launched.filled)
    assert longer.profile.lead_time_s == 120
    unasked = resolve(JobOptions(partition="scav"))
    assert (unasked.profile.time, unasked.filled) == (480, ("time", *DEFAULTS))
    moved = resolve(JobOptions(partition="gpu"), unasked.profile, unasked.filled)
    assert moved.profile.time == 1440


def test_a_profile_that_is_named_takes_the_place_of_what_was_asked_for(site: StandIns) -> None:
    standing = Profile(partition="scav", cpus=2, time=60)
    assert resolve(JobOptions(profile="ours"), standing).profile.cpus == 8


def test_what_cannot_be_used_is_refused_before_slurm_is_asked(stand_ins: StandIns) -> None:
    for wishes in (
        JobOptions(time="soon"),
        JobOptions(profile="theirs"),
        JobOptions(sbatch=("array=1",)),
    ):
        with pytest.raises(InputError):
            resolve(wishes)
    assert stand_ins.calls == []


def test_the_default_named_as_a_profile_is_the_default(site: StandIns) -> None:
    for minutes, lead_s in (("2", 30), ("5", 75)):
        resolved = resolve(JobOptions(profile="default", time=minutes))
        assert resolved.profile.lead_time_s == lead_s
    assert resolve(JobOptions(profile="default", sbatch=("mem-per-cpu=4G",))).remarks == ()


def test_without_slurm_that_is_said(stand_ins: StandIns) -> None:
    with pytest.raises(SchedulerError, match="there is no command scontrol here"):
        resolve(JobOptions())


def test_a_default_that_was_lowered_is_found_anew_when_the_run_is_resumed(site: StandIns) -> None:
    site.write("sinfo", "[ $2 = gpu ] && echo '2|15973|gpu:1' || echo '8|64000|gpu:1'")
    launched = resolve(JobOptions(profile="default", partition="gpu"))
    assert (launched.profile.cpus, launched.profile.memory_gb) == (2, 15.5)
    kept = resolve(JobOptions(), launched.profile, launched.filled)
    assert (kept.profile.cpus, kept.profile.memory_gb) == (2, 15.5)
    moved = resolve(JobOptions(partition="scav"), launched.profile, launched.filled)
    assert (moved.profile.cpus, moved.profile.memory_gb) == (4, 16)


def test_a_default_is_lowered_where_a_run_is_resumed_as_where_it_is_launched(
    site: StandIns,
) -> None:
    site.write("sinfo", "[ $2 = gpu ] && echo '8|64000|gpu:1' || echo '2|15973|gpu:1'")
    launched = resolve(JobOptions(profile="default", partition="gpu"))
    assert (launched.profile.cpus, launched.profile.memory_gb) == (4, 16)
    moved = resolve(JobOptions(partition="scav"), launched.profile, launched.filled)
    assert (moved.profile.cpus, moved.profile.memory_gb) == (2, 15.5)
    asked = resolve(JobOptions(partition="gpu", sbatch=("cpus-per-task=4",)))
    with pytest.raises(InputError, match=r"cpus is 4 \(as launched\), but a node of scav has 2"):
        resolve(JobOptions(partition="scav"), asked.profile, asked.filled)


def test_a_request_of_before_with_two_ways_of_asking_for_memory_keeps_one(site: StandIns) -> None:
    standing = Profile(partition="gpu", memory_gb=16.0, time=60, sbatch={"mem-per-cpu": "4G"})
    kept = resolve(JobOptions(), standing).profile
    assert (kept.memory_gb, kept.sbatch) == (0, {"mem-per-cpu": "4G"})


def test_what_the_site_prints_besides_is_remarked_once(site: StandIns) -> None:
    site.write("sinfo", "echo '*** note ***'; echo '8|64000|gpu:1'")
    assert resolve(JobOptions()).remarks == (
        'sinfo printed a line that is none of a node\'s: "*** note ***"',
    )
