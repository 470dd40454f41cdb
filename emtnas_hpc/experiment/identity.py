"""Same settings, same identity: the name of a run's folder and the signature of its search."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emtnas_hpc.experiment.loading import validate
from emtnas_hpc.experiment.settings import Experiment

#: Settings outside these cannot change what a search finds. A data set's `source` is left out too:
#: what counts is the digest of its images, wherever they came from.
_SEARCH_SETTINGS = ("tasks", "threads", "search", "supernet", "training", "evaluation", "task")

_LONGEST_NAME = 120


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
        text = json.dumps(self.values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def identify(experiment: Experiment, seed: int, data: Mapping[str, str]) -> Identity:
    """The identity of one seed's search.

    Args:
        experiment: all its settings.
        seed: of the search.
        data: for every task the digest of the data that a search reads.
    """
    settings = {
        name: value
        for name, value in flatten(experiment).items()
        if name.split(".")[0] in _SEARCH_SETTINGS and not name.endswith(".source")
    }
    return Identity({**settings, "seed": seed, **{f"data.{name}": data[name] for name in data}})


def difference(there: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """Says in one line in what two identities differ, at most five settings by name."""
    names = sorted(n for n in {*there, *asked} if there.get(n) != asked.get(n))
    parts = [f"{n} is {_show(there.get(n))} there, {_show(asked.get(n))} asked" for n in names[:5]]
    return "; ".join(parts) + (f"; and {len(names) - 5} more" if len(names) > 5 else "")


def flatten(experiment: Experiment) -> dict[str, Any]:
    """All settings by dotted name, with plain values."""
    return _flatten(experiment.model_dump(mode="json"), "")


def rename(experiment: Experiment, name: str) -> Experiment:
    """The same experiment under another name.

    Raises:
        InputError: the name is none for a folder.
    """
    return validate(experiment.model_dump(mode="json") | {"name": name})


def run_name(preset: Experiment, experiment: Experiment) -> str:
    """The preset's name, and what was changed in it if that can change a result.

    `cifar` with `search.rmp=0.1` is `cifar+rmp=0.1`; an override with the preset's own value adds
    nothing, so the same search has the same folder.
    """
    before, after = flatten(preset), flatten(experiment)
    changed = [
        f"{_short(name)}={_show(after.get(name))}"
        for name in sorted({*before, *after})
        if name.split(".")[0] in _SEARCH_SETTINGS and before.get(name) != after.get(name)
    ]
    name = "+".join([preset.name, *(re.sub(r"[^A-Za-z0-9_.=,-]+", "-", c) for c in changed)])
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _flatten(value: Any, prefix: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for name, item in value.items():
        flat |= _flatten(item, f"{prefix}.{name}" if prefix else name)
    return flat


def _short(name: str) -> str:
    return name.removeprefix("task.") if name.startswith("task.") else name.rpartition(".")[2]


def _show(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return text[:12] if re.fullmatch(r"[0-9a-f]{64}", text) else text
