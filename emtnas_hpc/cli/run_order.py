"""The arguments of `run`, and the seeds that they mean."""

import sys
from dataclasses import dataclass
from pathlib import Path

from emtnas_hpc.agenda.mending import prepare_command
from emtnas_hpc.cli.events import Who
from emtnas_hpc.cli.named_experiment import Named
from emtnas_hpc.cli.seed_order import SeedOrder
from emtnas_hpc.search.session import SearchRequest
from emtnas_hpc.store.paths import seed_run


@dataclass(frozen=True)
class RunOrder:
    """The arguments of `run`, as the user gave them."""

    experiment: str
    overrides: tuple[str, ...]
    name: str | None
    seeds: tuple[int, ...]
    parallel: int
    runs: Path
    data: Path
    device: str
    take_over: bool
    debug: bool = False

    def jobs(self, named: Named, *, one_of_several: bool) -> list[SeedOrder]:
        """All seeds of an experiment."""
        name = named.experiment.name
        mend = prepare_command(self.experiment, self.overrides, self.data)
        return [
            SeedOrder(
                named,
                SearchRequest(
                    named.experiment,
                    seed,
                    seed_run(self.runs, name, seed),
                    self.data,
                    self.device,
                    mend,
                    self.take_over,
                ),
                Who(seed, name if one_of_several else ""),
            )
            for seed in self.seeds
        ]

    def child_command(self, job: SeedOrder) -> list[str]:
        """The command that carries out one job and tells its events on stdout."""
        where = ["--runs", str(self.runs), "--data", str(self.data), "--device", self.device]
        name = ["--name", job.request.experiment.name]
        which = [*name, "--seeds", f"{job.request.seed},", *["--take-over"] * self.take_over]
        # Without -P a file of the user's named like a module of ours would be imported.
        program = [sys.executable, "-P", "-m", "emtnas_hpc", *["--debug"] * self.debug, "run"]
        return [*program, *job.named.typed.words, *which, *where, "--events"]
