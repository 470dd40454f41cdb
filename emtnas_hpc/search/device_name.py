"""What a device may be called; whether it is there is `device`'s business, which takes torch."""

import re

from emtnas_hpc.errors import InputError

#: What `auto` is in a job that has asked for a GPU; nobody types it.
ANY_GPU = "any GPU"


def check_device_name(name: str) -> str:
    """Returns the name if it is auto, cpu, cuda or cuda:N.

    Raises:
        InputError: it is not.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,4})?", name):
        raise InputError(f"--device is {name!r}, expected auto, cpu, cuda or cuda:N")
    return name
