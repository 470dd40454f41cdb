"""What `retrain` does, and how it shows the verdicts of the test sets."""

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from emtnas_hpc.agenda.session import carry_on_retrainings
from emtnas_hpc.cli import exit_codes
from emtnas_hpc.cli.display import open_display
from emtnas_hpc.cli.events import Who
from emtnas_hpc.cli.listeners import listeners_of
from emtnas_hpc.cli.one_of_several import run_or_say
from emtnas_hpc.cli.retrain_order import Refused, RetrainOrder, Work
from emtnas_hpc.cli.retraining_rows import read_record, retrainings_table, summary_of
from emtnas_hpc.cli.screen import open_screen
from emtnas_hpc.runner.interruption import StopRequest
from emtnas_hpc.runner.loop import Outcome


def retrain_all(order: RetrainOrder, *, as_json: bool, debug: bool) -> int:
    """Carries out an order, one run after the other, and prints what is finished of it.

    Args:
        order: what to train.
        as_json: whether to print it for programs.
        debug: whether to print tracebacks.

    Returns:
        The exit code.
    """
    found = order.work()
    codes = []
    with StopRequest() as stop:
        for each in found:
            say = partial(_complain, _directory(each) if len(found) > 1 else None)
            retrain = partial(_retrain, each, stop, other_images=order.other_images)
            codes.append(
                exit_codes.STOPPED if stop.requested else run_or_say(retrain, say, debug=debug)
            )
    if exit_codes.STOPPED in codes:
        print("stopped with work left; the same command goes on", file=sys.stderr)
    _print_verdicts([work for work in found if not isinstance(work, Refused)], as_json=as_json)
    return exit_codes.combine(codes)


def _directory(found: Work | Refused) -> Path:
    return found.directory if isinstance(found, Refused) else found[0].paths.directory


def _complain(where: Path | None, line: str) -> None:
    """Of several runs, which one it is about."""
    said = line if where is None or str(where) in line else f"{where}: {line}"
    print(f"error: {said}", file=sys.stderr)


def _retrain(found: Work | Refused, stop: StopRequest, *, other_images: bool) -> int:
    if isinstance(found, Refused):
        raise found.error
    request, orders = found
    with open_display({Who(request.seed): 1}) as listener:
        listeners = listeners_of(request.seed, listener)
        outcome = carry_on_retrainings(request, orders, listeners, stop, other_images=other_images)
    return exit_codes.STOPPED if outcome is Outcome.MORE else exit_codes.DONE


def _print_verdicts(works: Sequence[Work], *, as_json: bool) -> None:
    """Of those that are finished; of none, nothing."""
    records = [
        ((str(request.paths.directory), order.name), record)
        for request, orders in works
        for order in orders
        if (record := read_record(request.paths.stage(order.stage_name))) and record.finished
    ]
    if not records:
        return
    if as_json:
        rows = [{"run": run, "name": name, **summary_of(r)} for (run, name), r in records]
        print(json.dumps(rows, indent=2, allow_nan=False))
        return
    open_screen().print(retrainings_table(("run", "retraining"), records))
