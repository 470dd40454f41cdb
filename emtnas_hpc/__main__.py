"""Lets `python -m emtnas_hpc` stand in for the console script."""

from emtnas_hpc.cli.app import main

main()
