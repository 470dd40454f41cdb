"""What is said of the device that was chosen, and of one that should have been there."""

from collections.abc import Mapping

from emtnas_hpc.search.device_name import ANY_GPU

#: What SLURM tells a job of its GPUs: their number, or the number of each.
_COUNT, _LISTS = "SLURM_GPUS_ON_NODE", ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")


def describe_choice(asked: str, conditions: Mapping[str, object]) -> str | None:
    """A line about a device that nobody named; None about one that was asked for.

    Args:
        asked: the name of the device, as the user gave it.
        conditions: what `describe_conditions` says of the one that was chosen.
    """
    if asked not in ("auto", ANY_GPU):
        return None
    return f"computes on {conditions['device']} ({conditions['device_model']}), chosen by itself"


def missing_gpu(
    asked: str, conditions: Mapping[str, object], environment: Mapping[str, str]
) -> str | None:
    """A line about GPUs that this job has and does not use, since torch sees none; None if none.

    Args:
        asked: the name of the device, as the user gave it.
        conditions: what `describe_conditions` says of the one that was chosen.
        environment: of this process.
    """
    n_gpus = _n_gpus(environment)
    if asked != "auto" or conditions["device"] != "cpu" or not n_gpus:
        return None
    gpus = "a GPU" if n_gpus == 1 else f"{n_gpus} GPUs"
    return (
        f"the job has {gpus}, but torch sees none and computes on the CPU; "
        "`emtnas-hpc doctor` on that partition may tell why"
    )


def _n_gpus(environment: Mapping[str, str]) -> int:
    if (count := environment.get(_COUNT, "")).isdigit():
        return int(count)
    listed = next((environment[name] for name in _LISTS if environment.get(name)), "")
    return len(listed.split(",")) if listed else 0
