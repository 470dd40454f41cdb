"""`request.toml`: what every job of a run is told besides its run directory."""

import tomllib
from pathlib import Path
from typing import Annotated

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emtnas_hpc.cluster.profile import Profile
from emtnas_hpc.errors import InputError
from emtnas_hpc.search.device_name import ANY_GPU
from emtnas_hpc.store.durable import make_directory, write_file
from emtnas_hpc.store.paths import JobsPaths
from emtnas_hpc.store.refusals import read_if_there, shown

_HEADER = "# Written by emtnas-hpc launch and resume; the jobs of this run read it.\n"


class JobRequest(BaseModel):
    """What a job needs that its run directory does not say.

    Attributes:
        profile: what it asks SLURM for; time limit and lead time are those that hold.
        data: where prepared data sets are, an absolute path.
        device: auto, cpu, cuda or cuda:N.
        mend: the command that prepares the data, for messages.
        filled: values of the profile that nobody asked for: they follow from the partition.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    profile: Profile
    data: str
    device: str
    mend: str
    filled: Annotated[tuple[str, ...], Field(strict=False)] = ()

    @property
    def search_device(self) -> str:
        """The device that a job computes on: one that has asked for a GPU never does without."""
        return ANY_GPU if self.device == "auto" and self.profile.gpus else self.device

    @property
    def data_dir(self) -> Path:
        """Where prepared data sets are."""
        return Path(self.data)

    @property
    def limit_s(self) -> float:
        """The time limit in seconds."""
        return 60.0 * self.profile.time


def write_request(jobs: JobsPaths, request: JobRequest, token: str) -> None:
    """Writes the request of a run's jobs, durably.

    Args:
        jobs: of the run.
        request: that holds from now on.
        token: of the writing process.

    Raises:
        StorageError: the disk refused.
    """
    make_directory(jobs.directory)
    write_file(jobs.request, _HEADER + tomli_w.dumps(request.model_dump(mode="json")), token)


def read_request(jobs: JobsPaths) -> JobRequest | None:
    """The request of a run's jobs; None if it was never launched.

    Raises:
        InputError: the file is there but cannot be understood.
        StorageError: it cannot be read.
    """
    path = jobs.request
    text = read_if_there(path)
    if text is None:
        return None
    try:
        return JobRequest.model_validate(tomllib.loads(text.decode()))
    except ValidationError as error:
        finding = error.errors(include_url=False)[0]
        reason = f"{'.'.join(map(str, finding['loc']))}: {finding['msg']}"
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = str(error)
    raise InputError(f"{shown(path)} is not the request of a run: {reason}; launch it again")
