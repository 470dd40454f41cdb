"""Tables 3 and 4: CIFAR, and ImageNet with what was found on CIFAR."""

from emtnas_hpc.report.layouts.layout import Layout, accuracy, paper_rows, parameters
from emtnas_hpc.report.paper import paper_table
from emtnas_hpc.report.table import Column

#: In the order of the paper's columns.
CIFAR = ("cifar10", "cifar100")
IMAGENET = "imagenet"

_DAYS = Column("device_days", "GPU days", 2)


def cifar() -> Layout:
    """Table 3."""
    columns = [_DAYS]
    for task in CIFAR:
        columns += [parameters(task), accuracy(task, 2)]
    return Layout(
        3,
        "CIFAR: test accuracy after retraining († normal cells stacked three times)",
        paper_table(3).labels,
        tuple(columns),
        paper_rows(paper_table(3)),
        is_paper=True,
    )


def imagenet() -> Layout:
    """Table 4."""
    columns = (
        accuracy(IMAGENET, 2, "Top-1"),
        Column(f"{IMAGENET}.top5", "Top-5 (%)", 2),
        Column(f"{IMAGENET}.parameters", "Params (M)", 2),
        _DAYS,
    )
    return Layout(
        4,
        "ImageNet: architectures found on CIFAR, retrained († normal cells stacked three times)",
        paper_table(4).labels,
        columns,
        paper_rows(paper_table(4)),
        is_paper=True,
    )
