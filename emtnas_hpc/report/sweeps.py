"""Sweeps: experiments that are equal but for one setting, found from their settings."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from emtnas_hpc.report.data_sets import heading
from emtnas_hpc.report.experiments import ExperimentRuns, Family
from emtnas_hpc.report.specs import PAPER_RMP, RowLayout, RowSpec, TableSpec, layout_columns
from emtnas_hpc.settings.experiment import show, value_of

#: Seeds are averaged; tasks that differ bring their own settings with them.
_NEVER_SWEPT = ("seed", "tasks")
#: Settings of a task that its images follow from, so that their digests differ as well.
_OF_IMAGES = (".pool", ".image_size", ".validation_split")


@dataclass(frozen=True)
class Sweep:
    """Experiments that differ in one setting only, and in each of them by its value.

    Attributes:
        setting: its dotted name.
        values: numbers in ascending order, else by their text.
        experiments: one a value; of several, on other images, that with the most finished seeds.
    """

    setting: str
    values: tuple[Any, ...]
    experiments: tuple[ExperimentRuns, ...]

    @property
    def family(self) -> Family:
        """The experiments as tables look for them; of the setting, its settings name all values."""
        values = " / ".join(map(show, self.values))
        settings = {**self.experiments[0].settings, self.setting: values}
        kinds = [kind for row in self._rows for kind in row.kinds]
        return Family(settings, dict(zip(kinds, self.experiments, strict=True)))

    @property
    def spec(self) -> TableSpec:
        """Its table, a row a value: laid out as Table 6, with times."""
        tasks = self.experiments[0].tasks
        labels = ((show(value),) for value in self.values)
        return TableSpec(
            number=6,
            key=f"sweep-{re.sub('[^A-Za-z0-9_]+', '-', self.setting)}",
            title=f"{' and '.join(map(heading, tasks))}: sweep of {self.setting}",
            labels=(self.setting,),
            columns=layout_columns("sweep", tasks),
            rows=tuple(map(RowLayout, labels, self._rows)),
        )

    @property
    def _rows(self) -> Iterator[RowSpec]:
        for value, experiment in zip(self.values, self.experiments, strict=True):
            kind = experiment.kind
            assert kind is not None
            yield RowSpec(
                experiment.tasks,
                joint=len(experiment.tasks) > 1,
                reevaluate=kind.reevaluate,
                rmp=PAPER_RMP if kind.rmp is None else kind.rmp,
                random=kind.random,
                setting=f"{self.setting}={show(value)}",
            )


def find_sweeps(experiments: Sequence[ExperimentRuns]) -> Iterator[Sweep]:
    """Every group of two experiments or more that differ in a single setting, by its name."""
    known = sorted((e for e in experiments if e.settings), key=lambda e: -len(e.finished))
    for setting in sorted({name for experiment in known for name in experiment.settings}):
        is_swept = not (setting in _NEVER_SWEPT or setting.startswith("data."))
        if is_swept and len({_text(value_of(e.settings, setting)) for e in known}) > 1:
            yield from _sweeps_of(setting, known)


def _sweeps_of(setting: str, experiments: Sequence[ExperimentRuns]) -> Iterator[Sweep]:
    """One for each set of values that all other settings have."""
    left_out = {setting, "seed"}
    if setting.endswith(_OF_IMAGES):
        left_out.add(f"data.{setting.partition('.')[2].rpartition('.')[0]}")
    groups: dict[str, dict[str, ExperimentRuns]] = defaultdict(dict)
    for experiment in experiments:
        rest = {name: v for name, v in experiment.settings.items() if name not in left_out}
        groups[_text(rest)].setdefault(_text(value_of(experiment.settings, setting)), experiment)
    for _rest, by_value in sorted(groups.items()):
        if len(by_value) > 1:
            chosen = sorted(by_value.values(), key=lambda e: _order(value_of(e.settings, setting)))
            yield Sweep(
                setting, tuple(value_of(e.settings, setting) for e in chosen), tuple(chosen)
            )


def _order(value: Any) -> tuple[bool, float, str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return not is_number, float(value) if is_number else 0.0, show(value)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
