"""A seed as a chain of SLURM jobs: submitted, carried to its end, watched, cancelled."""
