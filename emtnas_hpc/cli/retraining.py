"""What `retrain` does, and how it shows the verdicts of the test sets."""

import json
import sys
from collections.abc import Sequence

from emtnas_hpc.agenda.session import carry_on_retrainings
from emtnas_hpc.cli import exit_codes
from emtnas_hpc.cli.display import open_display
from emtnas_hpc.cli.retrain_order import RetrainOrder, Work
from emtnas_hpc.cli.retraining_rows import read_record, retrainings_table, summary_of
from emtnas_hpc.cli.running import listeners_of
from emtnas_hpc.cli.screen import open_screen
from emtnas_hpc.runner.interruption import StopRequest
from emtnas_hpc.runner.loop import Outcome


def retrain_all(order: RetrainOrder, *, as_json: bool) -> int:
    """Carries out an order, one run after the other, and prints what came of it.

    Returns:
        The exit code.
    """
    works = order.work()
    with StopRequest() as stop:
        for request, orders in works:
            with open_display((request.seed,), 1) as listener:
                listeners = listeners_of(request.seed, listener)
                outcome = carry_on_retrainings(request, orders, listeners, stop)
            if outcome is Outcome.MORE:
                print("stopped with work left; the same command goes on", file=sys.stderr)
                return exit_codes.STOPPED
    _print_verdicts(works, as_json=as_json)
    return exit_codes.DONE


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
