"""An architecture as a Python module of its own."""
