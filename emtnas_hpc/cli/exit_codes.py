"""What a command leaves with: the codes that errors carry (`errors`), and a few more."""

from collections.abc import Sequence

from emtnas_hpc.errors import EmtnasError, InputError, OwnedError

DONE = 0
FAILED = EmtnasError.exit_code
STOPPED = 4
DIFFERENCE = 5
INTERRUPTED = 130
#: What a shell makes of SIGPIPE. Not 0: `verify | head` has told nobody that two runs are equal.
UNHEARD = 141

#: For the help page.
MEANINGS = {
    DONE: "done",
    FAILED: "failed",
    InputError.exit_code: "bad input",
    OwnedError.exit_code: "owned by another process",
    STOPPED: "stopped with work left",
    DIFFERENCE: "verify found a difference",
    INTERRUPTED: "second Ctrl-C",
    UNHEARD: "the reader of the output left (report | head)",
}


def combine(codes: Sequence[int]) -> int:
    """Of several seeds: the code of the first that failed, else that of stopped ones, else 0.

    Bad input changes no run, so it is not the code where another one was carried on.
    """
    failures = [code for code in codes if code not in (DONE, STOPPED)]
    if not failures:
        return max(codes)
    bad_input = InputError.exit_code
    return FAILED if failures[0] == bad_input and set(codes) != {bad_input} else failures[0]
