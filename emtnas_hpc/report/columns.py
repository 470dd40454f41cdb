"""Every column of values that a table may have: its heading, its decimals, and what it means."""

from collections.abc import Callable
from dataclasses import dataclass

from emtnas_hpc.history.retraining import Retraining
from emtnas_hpc.report.data_sets import heading as data_set_heading
from emtnas_hpc.report.table import Column

_TIME = (
    "Time: change of the wall clock of searches against the sum of the single-tasking ones, in "
    "percent; without queueing, repeated generations and the measurement of true fitness."
)
_MEAN = (
    "Mean params and MACs: over all training steps of the searches, of the architectures as they "
    "are retrained, every slice counted."
)


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What a column may have in it.

    Attributes:
        heading: `{}` stands for the data set.
        decimals: that are shown.
        meaning: a note, empty where the heading says it.
        value: what a finished retraining says, in the column's unit; None for what searches say.
        signed: whether a plus is shown too.
        tested: whether means are compared with the baseline's.
        widens: whether small values are shown with more decimals.
        optional: whether it is left out where no run has it.
    """

    heading: str
    decimals: int
    meaning: str = ""
    value: Callable[[Retraining], float | None] | None = None
    signed: bool = False
    tested: bool = False
    widens: bool = False
    optional: bool = False


def _accuracy(retraining: Retraining) -> float | None:
    return None if retraining.test is None else 100 * retraining.test.accuracy


def _top5(retraining: Retraining) -> float | None:
    top5 = None if retraining.test is None else retraining.test.top5
    return None if top5 is None else 100 * top5


QUANTITIES = {
    "accuracy": Quantity(heading="{} (%)", decimals=2, value=_accuracy, tested=True),
    "top5": Quantity(heading="{} top-5 (%)", decimals=2, value=_top5),
    "auc": Quantity(
        heading="{} AUC",
        decimals=4,
        meaning="AUC: medmnist's evaluator, on the test set.",
        value=lambda r: None if r.test is None else r.test.auc,
        tested=True,
        optional=True,
    ),
    "transfer": Quantity(
        heading="{} transfer (%)",
        decimals=2,
        meaning="Transfer: the architecture found on the other data set, retrained on this one; "
        "compared with single-tasking's own.",
        value=_accuracy,
        tested=True,
    ),
    "parameters": Quantity(
        heading="{} params (M)",
        decimals=2,
        meaning="Params: every output slice of the 1x1 convolutions counted, which the paper's "
        "numbers agree with.",
        value=lambda r: r.parameters / 1e6,
        widens=True,
    ),
    "parameters_in_use": Quantity(
        heading="{} params in use (M)",
        decimals=2,
        value=lambda r: r.parameters_in_use / 1e6,
        widens=True,
    ),
    "macs": Quantity(
        heading="{} MACs (M)",
        decimals=1,
        meaning="MACs: of convolutions and classifier, for one image.",
        value=lambda r: r.macs / 1e6,
        widens=True,
    ),
    "validation": Quantity(
        heading="{} supernet validation (%)",
        decimals=2,
        meaning="Supernet validation: the incumbent's accuracy with the weights of the search on "
        "all validation images, before any retraining: how a search went, never which is better.",
    ),
    "device_days": Quantity(
        heading="GPU days",
        decimals=2,
        meaning="GPU days: wall clock of a row's searches together, on whatever device they ran, "
        "without the measurement of true fitness.",
        widens=True,
    ),
    "time_total": Quantity(heading="Total time (%)", decimals=1, meaning=_TIME, signed=True),
    "time_training": Quantity(heading="Training time (%)", decimals=1, meaning=_TIME, signed=True),
    "time_evaluation": Quantity(
        heading="Evaluation time (%)", decimals=1, meaning=_TIME, signed=True
    ),
    "time_search": Quantity(heading="Search time (%)", decimals=1, meaning=_TIME, signed=True),
    "mean_parameters": Quantity(heading="Mean params (M)", decimals=2, meaning=_MEAN, widens=True),
    "mean_macs": Quantity(heading="Mean MACs (M)", decimals=0, meaning=_MEAN, widens=True),
}


def column(
    quantity: str,
    task: str | None = None,
    *,
    name: str | None = None,
    decimals: int | None = None,
    heading: str | None = None,
) -> Column:
    """A column of a quantity.

    Args:
        quantity: a key of `QUANTITIES`.
        task: the data set that it is about, if any.
        name: what the heading calls it instead; may be empty.
        decimals: instead of the quantity's.
        heading: instead of the quantity's.
    """
    found = QUANTITIES[quantity]
    if name is None:
        name = "" if task is None else data_set_heading(task)
    text = (heading or found.heading.format(name)).strip()
    return Column(
        quantity if task is None else f"{task}.{quantity}",
        text[:1].upper() + text[1:] if not name else text,
        found.decimals if decimals is None else decimals,
        signed=found.signed,
        tested=found.tested,
    )
