"""What goes wrong here is said in one line."""


class LocalSlurmError(Exception):
    """The message says what was found, what was expected, and what to do."""


class UsageError(LocalSlurmError):
    """Nothing was tried: the switches, the folder or the machine do not fit."""
