"""Tables 3 and 4: CIFAR, and ImageNet with what was found on CIFAR."""

from emtnas_hpc.report.columns import column
from emtnas_hpc.report.layouts.layout import Layout, paper_rows
from emtnas_hpc.report.paper import paper_table

#: In the order of the paper's columns.
CIFAR = ("cifar10", "cifar100")
IMAGENET = "imagenet"


def cifar() -> Layout:
    """Table 3."""
    columns = [column("device_days")]
    for task in CIFAR:
        columns += [column("parameters", task), column("accuracy", task)]
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
        column("accuracy", IMAGENET, name="Top-1"),
        column("top5", IMAGENET, name=""),
        column("parameters", IMAGENET, name=""),
        column("device_days"),
    )
    return Layout(
        4,
        "ImageNet: architectures found on CIFAR, retrained († normal cells stacked three times)",
        paper_table(4).labels,
        columns,
        paper_rows(paper_table(4)),
        is_paper=True,
    )
