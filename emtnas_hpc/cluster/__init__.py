"""The former name of `emtnas_hpc.slurm`, for jobs that were queued under it."""
