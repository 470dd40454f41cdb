"""What figures that go by generation have in common."""

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from emtnas_hpc.report.figures.bands import Band


def draw_band(
    axes: Axes,
    band: Band,
    colour: str,
    label: str | None = None,
    *,
    style: str = "-",
    scale: float = 1.0,
    spread: bool = True,
) -> None:
    """Draws the mean as a line and one standard deviation to either side as a band."""
    mean, std = scale * band.mean, scale * band.std
    # A line of one point would not show.
    marker = "o" if len(mean) == 1 else ""
    axes.plot(band.generations, mean, style, color=colour, label=label, marker=marker, ms=4)
    if spread and std.any():
        axes.fill_between(band.generations, mean - std, mean + std, color=colour, alpha=0.2, lw=0)


def label_generations(axes: Axes) -> None:
    """The x axis, in whole numbers."""
    axes.set_xlabel("generation")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
