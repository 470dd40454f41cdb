"""`experiment.toml` of a run directory: resolved settings, seed, data digests, signatures."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError

from emtnas_hpc.errors import InputError, StoredError
from emtnas_hpc.experiment.identity import Identity, identify
from emtnas_hpc.experiment.loading import validate
from emtnas_hpc.experiment.settings import Experiment

_HEADER = (
    "# Written by emtnas-hpc when the run began; a run with other settings gets its own folder.\n"
)


@dataclass(frozen=True)
class StoredExperiment:
    """What a run directory says of itself.

    Attributes:
        experiment: its settings, resolved: neither presets nor registry are needed to read them.
        seed: of its search.
        data: for every task the digest of its data.
        signatures: of every stage, by name.
    """

    experiment: Experiment
    seed: int
    data: Mapping[str, str]
    signatures: Mapping[str, str]

    @property
    def identity(self) -> Identity:
        """The identity of its search."""
        return identify(self.experiment, self.seed, self.data)


def dump_stored(stored: StoredExperiment) -> str:
    """The text of the file."""
    table = {
        "seed": stored.seed,
        "data": dict(stored.data),
        "signatures": dict(stored.signatures),
        "experiment": stored.experiment.model_dump(mode="json"),
    }
    return _HEADER + tomli_w.dumps(table)


def parse_stored(text: str, origin: str) -> StoredExperiment:
    """Reads the text of the file.

    Raises:
        StoredError: it is not what `dump_stored` writes; `origin` is named.
    """
    try:
        file = _File.model_validate(tomllib.loads(text))
        return StoredExperiment(validate(file.experiment), file.seed, file.data, file.signatures)
    except ValidationError as error:
        finding = error.errors(include_url=False)[0]
        reason = f"{'.'.join(map(str, finding['loc']))}: {finding['msg']}"
    except (tomllib.TOMLDecodeError, InputError) as error:
        reason = str(error)
    raise StoredError(f"{origin} is not the experiment.toml of a run: {reason}")


class _File(BaseModel):
    """The file as TOML, its settings not yet validated."""

    model_config = ConfigDict(strict=True)

    seed: int
    data: dict[str, str]
    signatures: dict[str, str]
    experiment: dict[str, Any]
