"""How far a retraining is, read from the ends of its record: for those who look at many of them."""

import json
import math
import re
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emtnas_hpc.history.retraining import Retraining, read_retraining

#: Newest epochs that the time of the next one is judged by.
_N_RECENT = 10
#: The layout that is known here.
_SCHEMA = 1
#: What `write_retraining` has around the epochs, and before each of them.
_BEGIN, _END, _EPOCH = b'\n "epochs": [\n', b'\n ],\n "test": ', b"  {\n"
_NO_LOSS = b'"train_loss": null'
_SECONDS = re.compile(rb'"seconds_training": ([0-9.e+-]+)')
#: The newest epochs are within so many bytes of the end; an epoch has some 150.
_TAIL = 4000


@dataclass(frozen=True)
class RetrainingProgress:
    """How far a retraining is.

    Attributes:
        task: data set that it trains on.
        epoch: the newest that is over.
        n_epochs: that it is to reach.
        seconds: of an epoch, the median of the newest ten; nan before the first.
        test_accuracy: in [0, 1]; None until the last epoch is over, nan if it diverged.
        diverged: whether a loss was no finite number, as `Retraining.diverged` has it.
    """

    task: str
    epoch: int
    n_epochs: int
    seconds: float
    test_accuracy: float | None
    diverged: bool = False


def read_retraining_progress(path: Path) -> RetrainingProgress:
    """Reads how far a retraining is, and passes over most of its epochs.

    Raises:
        DamagedError: the file is something else, or of another schema.
        FileNotFoundError: there is no such file.
    """
    text = path.read_bytes()
    begin = text.find(_BEGIN)
    end = text.find(_END, begin)
    if begin < 0 or end < 0:
        return _of_whole(read_retraining(path))
    first = begin + len(_BEGIN)
    try:
        rest = json.loads(text[:begin] + b'\n "epochs": [],\n "test": ' + text[end + len(_END) :])
        recent = _SECONDS.findall(text, max(first, end - _TAIL), end)[-_N_RECENT:]
        if text.find(_NO_LOSS, first, end) >= 0 or _has_no_loss(rest["test"], rest.get("part")):
            # It diverged, which is rare.
            return _of_whole(read_retraining(path))
        return _progress(rest, text.count(_EPOCH, first, end), [float(s) for s in recent])
    except (ValueError, TypeError, KeyError):
        # Whatever it is, the reader of the whole record says it better.
        return _of_whole(read_retraining(path))


def _progress(rest: dict[str, Any], n_epochs: int, recent: list[float]) -> RetrainingProgress:
    if rest["schema"] != _SCHEMA:
        raise ValueError(rest["schema"])
    header, test = rest["header"], rest["test"]
    accuracy = None if test is None else float(test["accuracy"])
    return RetrainingProgress(
        header["task"], n_epochs, header["n_epochs"], _median(recent), accuracy
    )


def _has_no_loss(*readings: dict[str, Any] | None) -> bool:
    return any(reading is not None and reading["loss"] is None for reading in readings)


def _of_whole(record: Retraining) -> RetrainingProgress:
    recent = [epoch.seconds_training for epoch in record.epochs[-_N_RECENT:]]
    header, verdict = record.header, record.verdict
    return RetrainingProgress(
        header.task,
        len(record.epochs),
        header.n_epochs,
        _median(recent),
        verdict.accuracy if verdict else None,
        bool(record.diverged),
    )


def _median(seconds: list[float]) -> float:
    return statistics.median(seconds) if seconds else math.nan
