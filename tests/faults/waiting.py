"""A process that waits for a lock, or for an owner whose machine cannot be seen."""

import sys
from dataclasses import replace
from pathlib import Path

from counting import CountingStage, run_counting

from emtnas_hpc.checkpoint.ownership import this_process
from emtnas_hpc.checkpoint.paths import RunPaths
from emtnas_hpc.data.prepare import prepare
from emtnas_hpc.errors import EmtnasError
from emtnas_hpc.runner.context import log_to
from emtnas_hpc.runner.signals import StopRequest
from emtnas_hpc.settings.experiment import TaskSettings


def watch_an_owner(directory: Path) -> None:
    paths = RunPaths(directory)
    paths.directory.mkdir(parents=True)
    paths.owner.write_text(replace(this_process(), host="node7", boot_id="other").to_text())
    with log_to(_say):
        run_counting(directory, CountingStage(3))


def wait_for_a_lock(directory: Path) -> None:
    task = TaskSettings(source="package:digits")
    with StopRequest():
        prepare("digits", task, directory, say=_say, mend="")


def _say(message: str) -> None:
    sys.stdout.write(f"{message!r}\n")
    sys.stdout.flush()


def main() -> int:
    wait = {"owner": watch_an_owner, "lock": wait_for_a_lock}[sys.argv[1]]
    try:
        wait(Path(sys.argv[2]))
    except EmtnasError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
