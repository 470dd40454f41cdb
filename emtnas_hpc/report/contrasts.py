"""The paper's claims as contrasts: what one experiment found minus what another one did.

They are asked of all experiments that a table may compare, whichever tables these fill, with
networks of one recipe. What is compared with what is in `claims`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from operator import attrgetter

from emtnas_hpc.report.claims import CLAIMS, Arm, Claim
from emtnas_hpc.report.contrast_stats import (
    MOST_SEEDS,
    Contrast,
    Interval,
    contrasts,
    pooled_deviation,
    seeds_to_show,
)
from emtnas_hpc.report.data_sets import heading
from emtnas_hpc.report.experiments import ExperimentRuns, Family, Kind, Recipe
from emtnas_hpc.report.legend import describe_recipe
from emtnas_hpc.report.load import Run
from emtnas_hpc.report.measurements import Measured, ValuesByCell, measurements, values_by_cell
from emtnas_hpc.report.specs import PAPER_RMP, RowSpec, connected, paper_table
from emtnas_hpc.report.stats import LEVEL, Estimate, seeds_needed
from emtnas_hpc.report.table import Column, Row, Table, TableCell

#: Normal cells of the paper's networks.
_PAPER_DEPTH = 2
_LABELS = ("Claim", "Contrast", "Searched on", "Data set", "N")
_COLUMNS = (
    Column("difference", "Difference", 2, signed=True),
    Column("low", "95 % from", 2, signed=True),
    Column("high", "to", 2, signed=True),
    Column("p", "p", 4),
    Column("q", "q", 4),
    Column("n", "n", 0),
    Column("n_minus", "n, minus", 0),
    Column("stated", "Stated", 2, signed=True),
    Column("seeds", "Seeds for it", 0),
)
_MEANING = (
    "Difference: of the means over seeds, in points of test accuracy after retraining; of time, "
    "the ratio of the means less one, in percent. 95 %: Welch's interval; of time that of the "
    "logarithm, with the spread of both sides; of paired seeds Student's.",
    "p: permutation test of Welch's statistic, two-sided; sign flips where seeds are paired, as "
    "both sides come from the same searches. Up to 200,000 permutations all are looked at, beyond "
    "that 99,999 are drawn with a fixed seed. q: p after Holm's adjustment within the claim.",
)
_PLANNING = (
    "Stated: the difference that the paper printed, or --difference. Seeds for it: on each side, "
    "to show it with a power of 80 % at the strictest level of the claim, if seeds deviate as "
    "they do here."
)


@dataclass(frozen=True)
class ContrastResult:
    """One contrast of a claim's family of `n_contrasts`.

    Attributes:
        groups: the values of both arms; paired, of the seeds that both have.
        stated: the difference worth showing, as the table has it; nan for none.
    """

    claim: str
    a: Arm
    b: Arm
    groups: tuple[tuple[float, ...], tuple[float, ...]]
    contrast: Contrast
    n_contrasts: int
    stated: float

    @property
    def interval(self) -> Interval:
        """In points; of time in percent."""
        if self.a.task:
            return self.contrast.difference
        ratio = self.contrast.ratio
        return Interval(*(100 * (end - 1) for end in (ratio.value, ratio.low, ratio.high)))

    @property
    def seeds(self) -> TableCell:
        """On each side, that would show the stated difference."""
        a, b = self.groups
        if math.isnan(self.stated) or not self.stated or min(len(a), len(b)) < 2:
            return TableCell()
        difference, paired = self.stated, _is_paired(self.a, self.b)
        if not self.a.task:
            if math.isnan(self.contrast.ratio.value):
                return TableCell()
            difference = math.log1p(self.stated / 100)
            a, b = (tuple(value * len(group) / sum(group) for value in group) for group in (a, b))
        deviation = pooled_deviation(a, b, paired=paired)
        n = seeds_to_show(difference, deviation, n_contrasts=self.n_contrasts, paired=paired)
        return TableCell(missing=f"> {MOST_SEEDS}") if n is None else _number(n)

    @property
    def row(self) -> Row:
        """As a table shows it."""
        a, b = self.a, self.b
        name = f"{a.name_beside(b)} - {b.name_beside(a).removeprefix(f'{a.method} ')}"
        depth = str(a.n_normal) if a.n_normal == b.n_normal and a.task else ""
        searched = "+".join(map(heading, a.searched))
        labels = (self.claim, name, searched, heading(a.task), depth)
        shown, contrast = self.interval, self.contrast
        numbers = (shown.value, shown.low, shown.high, contrast.test.p, contrast.q)
        cells = [_number(number) for number in (*numbers, *map(len, self.groups), self.stated)]
        return Row(" ".join(filter(None, labels)), labels, (*cells, self.seeds))


def contrast_tables(
    families: Iterable[tuple[Family, ValuesByCell]], stated: float | None = None
) -> Iterator[Table]:
    """The contrasts of experiments that may be compared, a table for each recipe.

    Args:
        families: of experiments, with what they measured.
        stated: a difference in points worth showing; None for the one that the paper printed.
    """
    for family, cells in families:
        for tasks in connected(family.experiments):
            there = {k: e for k, e in family.experiments.items() if k.tasks <= set(tasks)}
            networks, times = _networks(cells, there), _times(cells, there)
            for recipe in _recipes(networks) or [None]:
                arms = [*times, *(arm for arm in networks if arm.recipe == recipe)]
                # A search takes as long whatever its networks are retrained with: said once.
                times = []
                answers = [each for claim in CLAIMS for each in _answer(claim, arms, stated)]
                if answers:
                    title = f"Contrasts of what was found on {', '.join(map(heading, tasks))}"
                    yield _table(title, answers, CLAIMS)


def contrast_of(
    runs: Sequence[Run], first: ExperimentRuns, second: ExperimentRuns, stated: float | None
) -> tuple[Table, ...]:
    """Any two experiments by data set and depth, a table for each recipe that both have."""
    frame, arms = measurements(runs), []
    for experiment in (first, second):
        alone = {experiment.kind or Kind(frozenset(experiment.tasks), False, None): experiment}
        arms += _networks(values_by_cell(frame, Family(experiments=alone)), alone)
    chosen = Claim(
        "A - B",
        f"{first.title} minus {second.title}",
        ("tasks", "reevaluate", "rmp", "random"),
        lambda a, b: (a.experiment, b.experiment) == (first.signature, second.signature),
        of_own=False,
    )
    families = (
        _answer(chosen, [arm for arm in arms if arm.recipe == recipe], stated)
        for recipe in _recipes(arms)
    )
    return tuple(_table("Contrast of two", answers, [chosen]) for answers in filter(None, families))


def _recipes(arms: Iterable[Arm]) -> list[Recipe | None]:
    return [*sorted({arm.recipe for arm in arms if arm.recipe})]


def _networks(cells: ValuesByCell, experiments: Mapping[Kind, ExperimentRuns]) -> list[Arm]:
    arms = [
        Arm(
            kind,
            experiments[kind].tasks,
            TableCell.of(found.values, found.diverged),
            experiment=experiments[kind].signature,
            recipe=recipe,
            task=task,
            found_on=found_on,
            n_normal=n_normal,
        )
        for (kind, task, found_on, n_normal, recipe, quantity), found in cells.items()
        if kind in experiments and quantity == "accuracy"
    ]
    return sorted(arms, key=attrgetter("place"))


def _times(cells: ValuesByCell, experiments: Mapping[Kind, ExperimentRuns]) -> list[Arm]:
    """Of joint searches, and of the single-tasking ones that do the same together."""
    measured, arms = Measured(cells, Family(experiments=experiments)), {}
    for kind, experiment in experiments.items():
        if kind.rmp == PAPER_RMP:
            spec = RowSpec(experiment.tasks, joint=True, reevaluate=kind.reevaluate)
            alone = replace(kind, reevaluate=False, rmp=None)
            for row, its_kind in ((spec, kind), (spec.baseline, alone)):
                cell = measured.cell(row, "device_days")
                arms[its_kind] = Arm(its_kind, experiment.tasks, cell)
    return sorted(arms.values(), key=attrgetter("place"))


def _answer(claim: Claim, arms: Sequence[Arm], stated: float | None) -> list[ContrastResult]:
    """One family: the p values of its tests are adjusted together."""
    found = [(a, b, groups) for a, b in claim.pairs(arms) if all(groups := _groups(a, b))]
    paired = any(_is_paired(a, b) for a, b, _both in found)
    answers = contrasts([groups for _a, _b, groups in found], paired=paired)
    return [
        ContrastResult(
            claim.key,
            a,
            b,
            groups,
            contrast=contrast,
            n_contrasts=len(found),
            stated=_stated(a, b) if stated is None or claim.of_time else stated,
        )
        for (a, b, groups), contrast in zip(found, answers, strict=True)
    ]


def _is_paired(a: Arm, b: Arm) -> bool:
    """Whether both come from the same searches, so that seeds share what they draw."""
    return bool(a.experiment) and a.experiment == b.experiment


def _groups(a: Arm, b: Arm) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not _is_paired(a, b):
        return a.cell.values, b.cell.values
    x, y = (dict(zip(arm.cell.seeds, arm.cell.values, strict=True)) for arm in (a, b))
    common = [seed for seed in x if seed in y]
    return tuple(x[seed] for seed in common), tuple(y[seed] for seed in common)


def _stated(a: Arm, b: Arm) -> float:
    """What the paper printed of these arms; for other depths, that of its own networks."""
    printed = _printed()
    depths = [(a.n_normal, b.n_normal)]
    if a.n_normal == b.n_normal:
        depths.append((_PAPER_DEPTH, _PAPER_DEPTH))
    for n_a, n_b in depths:
        x = printed.get((a.kind, a.task, a.found_on, n_a))
        y = printed.get((b.kind, b.task, b.found_on, n_b))
        if x is not None and y is not None:
            return round(x - y, 2)
    return math.nan


@cache
def _printed() -> dict[tuple[Kind, str, str, int], float]:
    """Accuracies and changes of time that the paper printed, by the arms that they are of."""
    found: dict[tuple[Kind, str, str, int], float] = {}
    rows = (row for number in (2, 3, 5, 6) for row in paper_table(number).rows)
    for spec, quoted in ((row.spec, row.quoted) for row in rows if row.spec is not None):
        for column, origins in quoted.items():
            task, _, quantity = column.rpartition(".")
            mean = origins["paper"].mean if "paper" in origins else None
            if mean is None:
                continue
            if quantity == "time_total" and spec.joint:
                alone = Kind(frozenset(spec.tasks), reevaluate=False, rmp=None)
                found |= {(spec.kinds[0], "", "", 0): mean, (alone, "", "", 0): 0.0}
            elif quantity in ("accuracy", "transfer"):
                wants_own = quantity == "accuracy"
                found_on = next(o for o in spec.tasks if (o == task) == wants_own)
                kind = next(kind for kind in spec.kinds if found_on in kind.tasks)
                # Table 5 repeats single-tasking of Table 3, rounded otherwise.
                found.setdefault((kind, task, found_on, spec.n_normal), mean)
    return found


def _table(title: str, answers: Sequence[ContrastResult], claims: Sequence[Claim]) -> Table:
    there = {answer.claim for answer in answers}
    is_planned = not all(math.isnan(answer.stated) for answer in answers)
    notes = [
        *_MEANING,
        *([_PLANNING] if is_planned else []),
        *(f"{c.key}: {c.title}." for c in claims if c.key in there),
    ]
    if recipe := answers[0].a.recipe:
        notes.append(describe_recipe(recipe))
    notes += [*_disagreements(answers), *_too_few(answers)]
    rows = tuple(answer.row for answer in answers)
    table = Table("contrasts", title, _LABELS, columns=_COLUMNS, rows=rows, notes=tuple(notes))
    return table if is_planned else table.with_columns(range(len(_COLUMNS) - 2))


def _number(value: float) -> TableCell:
    """A cell of one number; empty where there is none."""
    if math.isnan(value):
        return TableCell()
    return TableCell(estimate=Estimate(float(value), math.nan, 1))


def _disagreements(answers: Sequence[ContrastResult]) -> Iterator[str]:
    """Where the test finds a difference and the interval does not, or the other way round."""
    found = [
        f"{answer.row.key} (p {p:.3f}, {interval.low:+.2f} to {interval.high:+.2f})"
        for answer in answers
        for p, interval in [(answer.contrast.test.p, answer.interval)]
        if not math.isnan(p + interval.low) and (p < LEVEL) == (interval.low <= 0 <= interval.high)
    ]
    if found:
        yield f"p and interval disagree, so take neither for proof: {'; '.join(found)}."


def _too_few(answers: Sequence[ContrastResult]) -> Iterator[str]:
    """Claims for which no test, or none after its adjustment, can find any difference."""
    for claim in dict.fromkeys(answer.claim for answer in answers):
        family = [answer for answer in answers if answer.claim == claim]
        tested = [answer for answer in family if not math.isnan(answer.contrast.test.p)]
        smallest = min((answer.contrast.smallest_p for answer in tested), default=1.0)
        limits = {"p": smallest, "q": min(1.0, max(1, len(tested)) * smallest)}
        hopeless = [f"{name} (at least {p:.3f})" for name, p in limits.items() if p >= LEVEL]
        if hopeless:
            # With as many seeds on each side all of the family are tested, also those of one seed.
            enough = seeds_needed(len(family), paired=_is_paired(family[0].a, family[0].b))
            yield (
                f"{claim}: too few seeds, as however large the difference {' and '.join(hopeless)} "
                f"cannot be below {LEVEL}; {enough} on each side would do."
            )
