"""Tasks by name, their images prepared on disk, and mini-batches on the device."""
