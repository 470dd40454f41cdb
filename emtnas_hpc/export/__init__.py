"""An architecture as a Python module of its own, plain torch, with its weights."""
