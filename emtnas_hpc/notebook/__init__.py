"""What a notebook needs of a run; `emtnas_hpc` itself hands out the names."""
