"""Same settings, same identity: the signature of a search, and in what two searches differ."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emtnas_hpc.experiment.settings import LEFT_OUT, Experiment

#: Settings outside these cannot change what a search finds. A data set's `source` is left out too:
#: what counts is the digest of its images, wherever they came from.
_SEARCH_SETTINGS = (
    *("tasks", "threads", "precision"),
    *("search", "supernet", "training", "evaluation", "task"),
)

#: What `evaluation.chunk_size` is in an identity, unless chunks are normalised by themselves.
_CHUNK = 125

_MOST_NAMED = 5


@dataclass(frozen=True)
class Identity:
    """What two searches must share to be the same one.

    Attributes:
        values: every setting that can change the result, the seed, and the data's digests.
    """

    values: Mapping[str, Any]

    @property
    def signature(self) -> str:
        """SHA-256 over the values in canonical form."""
        return _digest(self.values)

    @property
    def experiment_signature(self) -> str:
        """The same without the seed: what seeds must share to be averaged."""
        return _digest({name: value for name, value in self.values.items() if name != "seed"})


def identify(experiment: Experiment, seed: int, data: Mapping[str, str]) -> Identity:
    """The identity of one seed's search.

    Args:
        experiment: all its settings.
        seed: of the search.
        data: for every task the digest of the data that a search reads.
    """
    settings = {
        name: value
        for name, value in search_settings(experiment).items()
        if not name.endswith(".source")
    }
    return Identity({**settings, "seed": seed, **{f"data.{name}": data[name] for name in data}})


def search_settings(experiment: Experiment) -> dict[str, Any]:
    """Those settings that can change what a search finds, by dotted name, with plain values.

    Images that nothing is searched for on are not among them: those of transfers.
    """
    own = {name: experiment.task[name] for name in experiment.tasks}
    settings = canonical(flatten(experiment.model_copy(update={"task": own})))
    return {
        name: value
        for name, value in settings.items()
        if name.partition(".")[0] in _SEARCH_SETTINGS
    }


def canonical(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted name in which what changes no more than last bits has one value."""
    chunk, mode = settings["evaluation.chunk_size"], settings["evaluation.batch_norm"]
    own = chunk if mode == "batch" and chunk != "auto" else _CHUNK
    return {**settings, "evaluation.chunk_size": own}


def difference(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Says in one line in what two identities differ, at most five values by name.

    Where the tasks themselves differ, the settings of those that only one of the two has are left
    out.
    """
    shared = set(there.get("tasks", ())) & set(here.get("tasks", ()))
    names = sorted(
        {name for name in {*there, *here} if there.get(name) != here.get(name)},
        key=lambda name: (name != "tasks", name),
    )
    if "tasks" in names:
        names = [name for name in names if _of_task(name) in {None, *shared}]
    # That images of another size are others says nothing that their settings do not.
    sized = {f"data.{_of_task(name)}" for name in names if name.endswith((".pool", ".image_size"))}
    names = [name for name in names if name not in sized]
    parts = [_difference(name, there, here) for name in names[:_MOST_NAMED]]
    n_more = len(names) - _MOST_NAMED
    return "; ".join(parts) + (f"; and {n_more} more" if n_more > 0 else "")


def _difference(name: str, there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    section, _, task = name.partition(".")
    if section == "data" and name in there and name in here:
        return f"the images{f' of {task}' if task else ''} are others than there"
    return f"{name} is {show(_value(there, name))} there, {show(_value(here, name))} here"


def flatten(experiment: Experiment) -> dict[str, Any]:
    """All settings by dotted name, with plain values."""
    return dict(_flatten(experiment.model_dump(mode="json"), ""))


def show(value: Any) -> str:
    """A plain value in a line of text: lists without brackets, digests cut short."""
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return ",".join(map(show, value))
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:12] if re.fullmatch(r"[0-9a-f]{64}", text) else text


def _value(settings: Mapping[str, Any], name: str) -> Any:
    """The value of a setting, also of one that is left out where it has its default."""
    return settings.get(name, LEFT_OUT.get(name.rpartition(".")[2]))


def _digest(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _of_task(name: str) -> str | None:
    section, _, rest = name.partition(".")
    if section == "task":
        return rest.rpartition(".")[0]
    return rest if section == "data" else None


def _flatten(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield prefix, value
        return
    for name, item in value.items():
        yield from _flatten(item, f"{prefix}.{name}" if prefix else name)
