"""Evolutionary multi-tasking neural architecture search that survives preemption, bit for bit."""

__version__ = "0.1.0"
