"""Figures that compare experiments: times, re-evaluation, sweeps and contrasts."""

import math
from dataclasses import astuple
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from emtnas_hpc.report.data_sets import heading
from emtnas_hpc.report.figures import (
    SERIES,
    SHARED,
    WIDTH,
    Plot,
    band_of,
    broken,
    by_seed,
    draw_band,
    legend_above,
    make_panels,
    over_seeds,
)
from emtnas_hpc.report.search_frames import TIME_PARTS
from emtnas_hpc.report.searches import DROP_AND_GAP
from emtnas_hpc.report.stats import LEVEL, drop_and_gap
from emtnas_hpc.report.table import Column, Row, Table, TableCell
from emtnas_hpc.space.drawing import INK

#: Seconds of a unit, and up to how many of them the next larger one is not worth it.
_UNITS = ((1.0, "s", 180.0), (60.0, "min", 180.0), (3600.0, "h", 72.0), (86400.0, "d", np.inf))
_SECONDS_A_DAY = 86_400
#: Room in bars that a line above one takes.
_LINE = 0.36


def plot_fittest(*experiments: pd.DataFrame) -> Plot:
    """A row a task, a column an experiment: the fittest as selection saw it, and as it was.

    All experiments have the same tasks; several differ in re-evaluation.
    """
    tasks, n_columns = experiments[0].attrs["tasks"], len(experiments)
    figure, panels = make_panels(len(tasks), 1.9, n_columns)
    ends, texts = [], []
    for column, generations in enumerate(experiments):
        which = generations.attrs["reevaluation"]
        numbers = []
        for axes, name in zip(panels[column::n_columns], tasks, strict=True):
            lines = generations[generations.task == name]
            seen, true = band_of(by_seed(lines, "estimated")), band_of(by_seed(lines, "true"))
            draw_band(axes, seen, SERIES[1], "estimated (what selection saw)", style="--")
            draw_band(axes, true, SERIES[0], "true (whole validation set)")
            title = f"{name}, {which}" if n_columns > 1 else name
            axes.set_title(broken(title))
            axes.set_ylabel("" if column else "accuracy (%)")
            numbers.append(f"{name} {_drop_and_gap(lines)}")
            if len(true):
                means = true["mean"]
                ends.append(f"{title} from {means.iloc[0]:.1f} % to {means.iloc[-1]:.1f} %")
        texts.append(f"{which or 'measured'}: {'; '.join(numbers)}. {over_seeds(generations)}")
    legend_above(figure, panels[0])
    return Plot(
        figure,
        "Fittest individual" + ", without and with re-evaluation" * (n_columns > 1),
        f"Validation accuracy of the fittest individual, measured {SHARED}; {DROP_AND_GAP} "
        f"{' '.join(text[0].upper() + text[1:] for text in texts)} "
        f"{experiments[0].attrs['batch_norm']}",
        f"Lines by generation. True accuracy goes for {', '.join(ends) or 'no task: unmeasured'}.",
    )


def _drop_and_gap(lines: pd.DataFrame) -> str:
    """Both numbers of a panel: mean, and the sample standard deviation over seeds."""
    found = {seed: drop_and_gap(of.true, of.estimated) for seed, of in lines.groupby("seed")}
    cells = [TableCell.of({seed: pair[i] for seed, pair in found.items()}) for i in (0, 1)]
    drop, gap = (Column("", "", 2).text(cell) or "unmeasured" for cell in cells)
    return f"drop {drop}, gap {gap}"


def is_curve(table: Table) -> bool:
    """Whether a sweep has something to draw: a mean for three numbers or more."""
    try:
        values = [float(row.labels[0]) for row in table.rows if any(c.estimate for c in row.cells)]
    except ValueError:
        return False
    return len(values) > 2


def plot_sweep(table: Table) -> Plot:
    """A panel each for validation, test and time: means over seeds by the value of the setting."""
    lines = pd.DataFrame(
        (float(row.labels[0]), column.quantity, column.task or "", *astuple(cell.estimate))
        for row in table.rows
        for column, cell in zip(table.columns, row.cells, strict=True)
        if cell.estimate is not None
    ).set_axis(["value", "quantity", "task", "mean", "std", "n"], axis=1)
    is_time = lines.quantity == "device_days"
    # Without a time there is none to draw, but a unit to name.
    size, unit = _unit_of(_SECONDS_A_DAY * lines["mean"][is_time].max() if is_time.any() else 0.0)
    lines.loc[is_time, ["mean", "std"]] *= _SECONDS_A_DAY / size
    axis_of = {
        "validation": "validation (%)",
        "accuracy": "test (%)",
        "device_days": f"time ({unit})",
    }
    shown = [quantity for quantity in axis_of if (lines.quantity == quantity).any()]
    figure, panels = make_panels(len(shown), 1.7)
    colours = dict(zip((task for task in lines.task.unique() if task), cycle(SERIES)))
    ends = []
    for axes, quantity in zip(panels, shown, strict=True):
        for task, of in lines[lines.quantity == quantity].groupby("task", sort=False):
            name, y, spread = heading(str(task)), of["mean"], of["std"].fillna(0.0)
            colour = colours.get(task, INK)
            axes.errorbar(of.value, y, spread, fmt="o-", color=colour, ms=4, capsize=2, label=name)
            what = f"{axis_of[quantity]} {name}".strip()
            ends.append(f"{what} goes from {y.iloc[0]:.4g} to {y.iloc[-1]:.4g}")
        axes.set_ylabel(axis_of[quantity])
    panels[-1].set_xlabel(table.labels[0])
    panels[-1].set_xticks(sorted(lines.value.unique()))
    legend_above(figure, panels[0])
    return Plot(
        figure,
        table.title,
        "Mean and sample standard deviation over seeds, by the value of the setting. Validation: "
        f"of the incumbent, {SHARED}; test: of retrained networks; time: of all searches of a "
        f"seed, with the measurement of true fitness. {' '.join(table.notes)}".strip(),
        f"Lines by {table.labels[0]}: {'; '.join(ends)}.",
    )


def plot_contrasts(table: Table) -> Plot:
    """A forest plot: the differences of a table of contrasts, times in a panel of their own."""
    lines = pd.DataFrame([map(_mean, row.cells) for row in table.rows])
    lines.columns = pd.Index([column.key for column in table.columns])
    labels = [_forest_label(row) for row in table.rows]
    lines = lines.assign(label=labels, time=[not row.labels[3] for row in table.rows])
    groups = [group for _time, group in lines.groupby("time")]
    # A mark lies as deep as the lines above it need.
    depths = [(1 + _LINE * group.label.str.count("\n")).cumsum() for group in groups]
    heights = [0.5 + 0.42 * depth.iloc[-1] for depth in depths]
    figure = Figure(figsize=(WIDTH, sum(heights)), layout="constrained")
    panels = figure.subplots(len(groups), squeeze=False, height_ratios=heights)[:, 0]
    for axes, group, rows in zip(panels, groups, depths, strict=True):
        shown = group.q < LEVEL
        axes.axvline(0, color=INK, lw=0.8)
        axes.hlines(rows, group.low, group.high, color=SERIES[0])
        axes.scatter(group.difference, rows, s=22, c=np.where(shown, SERIES[0], "w"), ec=SERIES[0])
        for row, label in zip(rows, group.label, strict=True):
            axes.text(0, row - 0.28, label, va="bottom", transform=axes.get_yaxis_transform())
        axes.set(xlabel="change of time (%)" if group.time.any() else "difference (points)")
        axes.set(yticks=[], ylim=(rows.iloc[-1] + 0.4, rows.iloc[0] - 1.0))
        axes.spines["left"].set_visible(False)
        axes.grid(visible=False, axis="y")
    n = int((lines.q < LEVEL).sum())
    return Plot(
        figure,
        "Contrasts",
        "Differences with their 95 % intervals; filled where q is below 0.05, within its claim.",
        f"A mark with an interval for each of {len(lines)} contrasts; of {n} q is below 0.05.",
    )


def _forest_label(row: Row) -> str:
    claim, contrast, searched, data_set, depth = row.labels
    what = [f"{claim}: {data_set or searched}", f"N = {depth}" if depth else ""]
    if data_set not in ("", searched):
        what.append(f"searched on {searched}")
    return "\n".join(map(broken, (", ".join(filter(None, what)), contrast)))


def _mean(cell: TableCell) -> float:
    return math.nan if cell.estimate is None else cell.estimate.mean


def _unit_of(most: float) -> tuple[float, str]:
    """The seconds of the unit in which so many are shown, and its name."""
    return next((size, unit) for size, unit, limit in _UNITS if most <= limit * size)


def plot_times(times: pd.DataFrame) -> Plot:
    """A stacked bar an experiment, mean over seeds of the sum over tasks."""
    parts = list(TIME_PARTS)
    means = times.groupby("experiment", sort=False)[parts].mean()
    longest = means.sum(axis=1).idxmax()
    most = means.loc[longest].sum()
    unit, name = _unit_of(most)
    labels = [
        _bar_label(f"{title}", lines[parts].sum(axis=1) / unit, name + lines.note.iloc[0])
        for title, lines in times.groupby("experiment", sort=False)
    ]
    # A bar lies as deep as the lines above it need.
    rows = np.cumsum([1 + _LINE * label.count("\n") for label in labels]) - 1
    figure = Figure(figsize=(WIDTH, 0.9 + 0.42 * (rows[-1] + 1)), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(rows))
    for part, colour in zip(parts, SERIES, strict=False):
        widths = means[part].to_numpy() / unit
        axes.barh(rows, widths, 0.42, left, color=colour, label=part)
        left += widths
    for row, label in zip(rows, labels, strict=True):
        axes.text(0, row - 0.28, label, va="bottom")
    axes.set(xlabel=f"time ({name}), mean over seeds", yticks=[])
    axes.set_ylim(rows[-1] + 0.4, -0.85)
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper left", ncols=len(parts))
    shares = ", ".join(
        f"{part} {100 * means.loc[longest, part] / (most or 1):.0f} %" for part in parts
    )
    diverged = times.attrs["diverged"]
    left_out = f" Diverged and left out, unless all did: {diverged}." if diverged else ""
    return Plot(
        figure,
        "Where the time went",
        "Wall clock of sampled training, sampled evaluation, the measurement of true fitness and "
        "the search itself (breeding, re-evaluation, selection), summed over tasks; mean ± sample "
        f"standard deviation over the seeds; without queueing and repeated steps.{left_out}",
        f"A stacked bar for each experiment. The longest, {longest}: {shares}.",
    )


def _bar_label(title: str, totals: "pd.Series[float]", unit: str) -> str:
    """The total: mean, and the sample standard deviation if there is one."""
    decimals = max(0, 2 - math.floor(math.log10(totals.mean() or 1)))
    std = f" ± {totals.std():.{decimals}f}" if len(totals) > 1 else ""
    return broken(f"{title}: {totals.mean():.{decimals}f}{std} {unit}")
