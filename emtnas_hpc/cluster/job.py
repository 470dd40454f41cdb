"""Jobs that were queued before this package was called `slurm` name their callable so."""

from emtnas_hpc.slurm.job import SeedJob

__all__ = ["SeedJob"]
