"""From what a user typed to a profile that fits the site; asks SLURM, writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from emtnas_hpc.cluster.fitting import default_partition, fit
from emtnas_hpc.cluster.profile import Profile
from emtnas_hpc.cluster.profiles import (
    SHIPPED_DEFAULT,
    Layer,
    Resolved,
    default_layer,
    layer_of_partition,
    named_layer,
    stack,
    typed_layers,
)
from emtnas_hpc.cluster.site import Partition, read_nodes, read_partitions

STANDING = "as launched"

#: What `fit` fills in where nobody said it.
_FITTED = ("partition", "time", "lead_time_s")


@dataclass(frozen=True)
class Wishes:
    """What was typed about the jobs; anything may be left out.

    Attributes:
        profile: name or file of a profile.
        partition: of SLURM, or several with commas between.
        time: limit of a job, as SLURM writes it.
        gpus: of a job.
        sbatch: other options of sbatch, NAME=VALUE or NAME.
    """

    profile: str = ""
    partition: str = ""
    time: str = ""
    gpus: int | None = None
    sbatch: tuple[str, ...] = ()


def resolve(
    wishes: Wishes, standing: Profile | None = None, filled: Sequence[str] = ()
) -> Resolved:
    """The profile that holds, with the origin of each value.

    Args:
        wishes: what was typed.
        standing: what the run's jobs have asked for so far, if it has been launched.
        filled: values of it that were not asked for; they are found anew.

    Raises:
        InputError: a value is unknown, cannot be used, or the site does not have it.
        SchedulerError: SLURM cannot be asked.
    """
    typed = typed_layers(wishes.partition, wishes.time, wishes.gpus, wishes.sbatch)
    named = named_layer(wishes.profile) if wishes.profile else None
    stack([default_layer(), *([named] if named else []), *typed])
    said: list[str] = []
    partitions = read_partitions(said.append)
    if named:
        site = [named]
    elif standing:
        site = [Layer(standing.model_dump(exclude=set(filled)), STANDING)]
    else:
        site = _of_partition(typed, partitions)
    wanted = stack([default_layer(), *site, *typed])
    left_open = (name for name in _FITTED if _is_open(wanted, name))
    source = "".join(layer.origin for layer in site)
    wanted = replace(wanted, filled=tuple(left_open), source=source)
    fitted = fit(wanted, partitions, partial(read_nodes, say=said.append))
    return replace(fitted, remarks=(*fitted.remarks, *said))


def _is_open(wanted: Resolved, name: str) -> bool:
    said = wanted.origins.get(name, SHIPPED_DEFAULT) != SHIPPED_DEFAULT
    return not (said and getattr(wanted.profile, name))


def _of_partition(typed: Sequence[Layer], partitions: Sequence[Partition]) -> list[Layer]:
    named = [str(layer.values["partition"]) for layer in typed if "partition" in layer.values]
    layer = layer_of_partition(named[-1] if named else default_partition(partitions))
    return [layer] if layer else []
