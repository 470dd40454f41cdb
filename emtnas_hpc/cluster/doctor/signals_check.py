"""Which signals a job heard before its limit: a pure judgement."""

import json
from collections.abc import Iterator
from typing import Any

from emtnas_hpc.cluster.doctor.finding import Finding, fine, wrong

_CHECK = "signals"
_ADVICE = "a job stops by its own clock before its limit; where it cannot, a spare goes on"


def check_signals(text: str, asked_s: float, limit_s: float) -> Iterator[Finding]:
    """Judges what the probe wrote while it listened.

    Args:
        text: its lines.
        asked_s: how long before the limit SIGUSR2 was asked for.
        limit_s: of the job.
    """
    heard = [(event["signal"], float(event["seconds"])) for event in _events(text)]
    story = ", ".join(f"{name} at {seconds:.0f} s" for name, seconds in heard if name != "start")
    if not heard:
        yield wrong(_CHECK, "the job that was to listen never began", "see its log")
        return
    found = f"of a limit of {limit_s:.0f} s: {story or 'nothing was heard before the kill'}"
    early = [seconds for name, seconds in heard if name == "SIGUSR2"]
    if not early:
        yield wrong(_CHECK, f"{found}; SIGUSR2 was asked for {asked_s:.0f} s before it", _ADVICE)
        return
    yield fine(
        _CHECK, f"{found}; SIGUSR2 came {limit_s - early[0]:.0f} s before, asked {asked_s:.0f}"
    )


def _events(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue  # torn by the kill
