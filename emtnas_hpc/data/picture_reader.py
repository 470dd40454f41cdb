"""The program of a process that reads pictures: `python -m emtnas_hpc.data.picture_reader`.

It ends when its input does, so none outlives the process that started it.
"""

import contextlib
import os
import sys

from emtnas_hpc.data.picture_readers import answer


def main() -> None:
    """Answers requests until there are no more."""
    # Nobody is left to read what was still to be said.
    with contextlib.suppress(BrokenPipeError), os.fdopen(os.dup(1), "wb") as out:
        # Whatever a library prints must not come between the images.
        os.dup2(2, 1)
        for line in sys.stdin.buffer:
            answer(line, out)


if __name__ == "__main__":
    main()
