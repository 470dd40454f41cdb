"""Python imports this by itself where it finds it: a job forks a child once it has begun.

The child inherits the handlers of the job, as a data loader's would; SLURM's signals reach it too.
"""

import os
import sys
import threading
import time
from pathlib import Path


def fork_when_begun(attempts: Path) -> None:
    while not list(attempts.glob("*.jsonl")):
        time.sleep(0.1)
    if os.fork() == 0:
        # Else a program that was just being started would seem to write for as long as this lives.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        live(attempts)


def live(attempts: Path) -> None:
    """Until the job has begun once more; then it says what the signals have done to it."""
    (attempts / "child").write_text(str(os.getpid()))
    heard = "nothing"
    try:
        while len(list(attempts.glob("*.jsonl"))) < 2:
            time.sleep(0.1)
    except BaseException as error:  # noqa: BLE001 - a handler of the parent's may raise anything
        heard = repr(error)
    (attempts / "heard").write_text(f"{heard}\n")
    os._exit(0)


if "submitit.core._submit" in sys.orig_argv:
    where = Path(os.environ["FORK_FOR"])
    if not (where / "child").exists():
        threading.Thread(target=fork_when_begun, args=(where,), daemon=True).start()
