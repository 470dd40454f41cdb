from typing import Any

import pytest

from emtnas_hpc.errors import InputError
from emtnas_hpc.slurm.profile import FIELDS, RESERVED, Profile, validate_profile


@pytest.mark.parametrize(("time", "minutes"), [(90, 90), ("24:00:00", 1440), ("1-12", 2160)])
def test_a_limit_may_be_minutes_or_slurms_text(time: object, minutes: int) -> None:
    assert validate_profile({"time": time}, "here").time == minutes


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"gpu": 1}, "unknown value gpu; did you mean gpus?"),
        ({"gpus": 1.5}, "gpus is 1.5, expected an integer from 0 to 64"),
        ({"gpus": -1}, "gpus is -1, expected an integer from 0 to 64"),
        ({"cpus": True}, "cpus is True, expected an integer from 1 to 1,024"),
        ({"memory_gb": -1}, "memory_gb is -1, expected a number from 0 to 100,000"),
        ({"partition": 3}, "partition is 3, expected text"),
        ({"account": "a\nb"}, "account is 'a\\nb', expected text on one line"),
        ({"setup": "module load cuda"}, "setup is 'module load cuda', expected a list, each text"),
        ({"setup": [1]}, "setup is 1, expected a list, each text"),
        ({"time": "soon"}, "time is 'soon', expected a time limit such as 90 (minutes)"),
        ({"time": -1}, "time is -1, expected a time limit of at most a year"),
        ({"time": True}, "time is True, expected a time limit of at most a year"),
        ({"time": "UNLIMITED"}, "time is 'UNLIMITED', expected a time limit of at most a year"),
        ({"lead_time_s": 4}, "lead_time_s is 4, expected an integer from 5 to 36,000"),
        ({"spares": 0}, "spares is 0, expected an integer from 1 to 1,000"),
        ({"sbatch": {"mem": "3G"}}, "sbatch: expected no mem here: that is memory_gb of the"),
        ({"sbatch": {"signal": "USR1"}}, "sbatch: expected no signal here: a job sets it itself"),
        ({"sbatch": {"-x": "n1"}}, "sbatch: expected long names of sbatch options without dashes"),
        ({"sbatch": {"x": "n1"}}, "sbatch: expected long names of sbatch options without dashes"),
        ({"sbatch": {"comment": "a\nb"}}, "sbatch: expected text on one line"),
        ({"sbatch": {"exclude": ["n1"]}}, "sbatch.exclude is ['n1'], expected text, a number"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_file(
    table: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as refusal:
        validate_profile(table, "site.toml")
    assert str(refusal.value).startswith(f"site.toml: {message}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "gres"),
    [
        ({}, "gpu:1"),
        ({"gpus": 2, "gpu_type": "rtx2080ti"}, "gpu:rtx2080ti:2"),
        ({"gpus": 0}, ""),
        ({"sbatch": {"gres": "tmp:10G"}}, "gpu:1,tmp:10G"),
        ({"gpus": 0, "sbatch": {"gres": "tmp:10G"}}, "tmp:10G"),
    ],
)
def test_gpus_are_asked_for_beside_other_generic_resources(
    values: dict[str, Any], gres: str
) -> None:
    assert Profile(**values).gres == gres


def test_no_option_is_both_reserved_and_a_field() -> None:
    assert not RESERVED & set(FIELDS)
    assert set(FIELDS.values()) <= set(Profile.model_fields)
