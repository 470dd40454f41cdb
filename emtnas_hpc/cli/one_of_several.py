"""One of several runs in one process: if it fails, the others are carried on all the same."""

import traceback
from collections.abc import Callable

from emtnas_hpc.cli.failures import describe_failure
from emtnas_hpc.errors import StartOverError


def run_or_say(carry_on: Callable[[], int], say: Callable[[str], None], *, debug: bool) -> int:
    """Carries a run on; where it fails, that is said and no more.

    Args:
        carry_on: what may fail; gives the exit code.
        say: told in one line what is wrong.
        debug: whether to print the traceback too.

    Returns:
        The exit code.

    Raises:
        StartOverError: this process can carry on no run any more.
    """
    try:
        return carry_on()
    except StartOverError:
        raise
    except Exception as error:  # noqa: BLE001 - as a process of its own would do
        if debug:
            traceback.print_exc()
        line, code = describe_failure(error)
        say(line)
        return code
