"""What `retrain` does, and how it shows the verdicts of the test sets."""

import json
import sys
from collections.abc import Sequence

from emtnas_hpc.agenda.session import carry_on_retrainings
from emtnas_hpc.cli import exit_codes
from emtnas_hpc.cli.display import open_display
from emtnas_hpc.cli.events import Who
from emtnas_hpc.cli.failures import describe_failure
from emtnas_hpc.cli.listeners import listeners_of
from emtnas_hpc.cli.retrain_order import Refused, RetrainOrder, Work
from emtnas_hpc.cli.retraining_rows import read_record, retrainings_table, summary_of
from emtnas_hpc.cli.screen import open_screen
from emtnas_hpc.errors import EmtnasError
from emtnas_hpc.runner.interruption import StopRequest
from emtnas_hpc.runner.loop import Outcome


def retrain_all(order: RetrainOrder, *, as_json: bool) -> int:
    """Carries out an order, one run after the other, and prints what came of it.

    Returns:
        The exit code.
    """
    found = order.work()
    retrain = _retrain if len(found) == 1 else _retrain_or_say
    with StopRequest() as stop:
        codes = [exit_codes.STOPPED if stop.requested else retrain(each, stop) for each in found]
    code = exit_codes.combine(codes)
    if exit_codes.STOPPED in codes:
        print("stopped with work left; the same command goes on", file=sys.stderr)
    if code == exit_codes.DONE:
        _print_verdicts([work for work in found if not isinstance(work, Refused)], as_json=as_json)
    return code


def _retrain_or_say(found: Work | Refused, stop: StopRequest) -> int:
    """A run that fails does not keep the others from their retrainings."""
    try:
        return _retrain(found, stop)
    except EmtnasError as error:
        line, code = describe_failure(error)
        where = found.directory if isinstance(found, Refused) else found[0].paths.directory
        said = line if str(where) in line else f"{where}: {line}"
        print(f"error: {said}", file=sys.stderr)
        return code


def _retrain(found: Work | Refused, stop: StopRequest) -> int:
    if isinstance(found, Refused):
        raise found.error
    request, orders = found
    with open_display({Who(request.seed): 1}) as listener:
        listeners = listeners_of(request.seed, listener)
        outcome = carry_on_retrainings(request, orders, listeners, stop)
    return exit_codes.STOPPED if outcome is Outcome.MORE else exit_codes.DONE


def _print_verdicts(works: Sequence[Work], *, as_json: bool) -> None:
    records = [
        ((str(request.paths.directory), order.name), record)
        for request, orders in works
        for order in orders
        if (record := read_record(request.paths.stage(order.stage_name)))
    ]
    if as_json:
        rows = [{"run": run, "name": name, **summary_of(r)} for (run, name), r in records]
        print(json.dumps(rows, indent=2, allow_nan=False))
        return
    open_screen().print(retrainings_table(("run", "retraining"), records))
