"""The seeds of an experiment or a study, and the run directory that each of them continues."""

import logging
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from emtnas_hpc.checkpoint.os_errors import is_there
from emtnas_hpc.checkpoint.paths import RunPaths, runs_below, seed_run
from emtnas_hpc.cli.events import Who
from emtnas_hpc.data.sources import REGISTRY
from emtnas_hpc.errors import (
    DamagedError,
    DataError,
    EmtnasError,
    InputError,
    StorageError,
    StoredError,
    first_few,
)
from emtnas_hpc.pipeline import check_test_sets, pending_stages
from emtnas_hpc.search.run_dir import find_finished, plan_seeds, refuse_other_settings
from emtnas_hpc.search.spec import RunSpec, SearchPlan
from emtnas_hpc.settings.experiment import OF_MATING, Experiment
from emtnas_hpc.settings.loading import (
    Typed,
    experiments_of,
    load_experiment,
    named_with,
    parse_overrides,
    read_study,
)
from emtnas_hpc.settings.names import read_stored, rename, run_name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Named:
    """An experiment under the name of its folder.

    Attributes:
        typed: what one types to get it alone.
    """

    typed: Typed
    experiment: Experiment

    def seeds(
        self,
        numbers: Sequence[int],
        runs: Path,
        data: Path,
        *,
        device: str,
        take_over: bool = False,
    ) -> list["PlacedSeed"]:
        """Its seeds in the run directories of its name."""
        name, placed = self.experiment.name, []
        for number in numbers:
            paths = seed_run(runs, name, number)
            spec = RunSpec(self.experiment, number, paths, data, device=device, take_over=take_over)
            placed.append(PlacedSeed(self, spec, Who(number, name)))
        return placed


def load_named(experiment: str, overrides: Sequence[str], name: str | None) -> tuple[Named, ...]:
    """Loads an experiment, or all those of a study.

    Args:
        experiment: a preset's or study's name, or a TOML file.
        overrides: of the settings.
        name: that the one experiment gets; None for the preset's, and what was changed in it.

    Raises:
        InputError: one of the three is refused, or two experiments come to one folder.
    """
    all_typed = experiments_of(experiment, overrides)
    is_study = read_study(experiment) is not None
    if name is not None and is_study:
        raise InputError(
            f"--name is {name!r}, but {experiment} is a study, whose experiments have names of "
            "their own; leave --name out"
        )
    found: dict[str, Named] = {}
    for typed in all_typed:
        with named_with(experiment, typed) if is_study else nullcontext():
            named = _load(typed, name)
        known = found.setdefault(named.experiment.name, named)
        if known.experiment != named.experiment:
            raise InputError(
                f"{experiment} has two experiments for the folder {named.experiment.name}: "
                f"{known.typed} and {named.typed}"
            )
    return tuple(found.values())


def _load(typed: Typed, name: str | None) -> Named:
    loaded = load_experiment(typed.experiment, typed.overrides, registry=REGISTRY)
    if name is not None:
        return Named(typed, rename(loaded, name))
    preset = load_experiment(typed.experiment, registry=REGISTRY)
    return Named(typed, rename(loaded, run_name(preset, loaded, REGISTRY)))


def warn_of_no_effect(overrides: Sequence[str], all_named: Sequence[Named]) -> None:
    """Warns of what was typed for the mating of a search that mates nothing."""
    over = parse_overrides(overrides).get("search")
    typed = [f"search.{name}" for name in OF_MATING if isinstance(over, dict) and name in over]
    found = (each.experiment for each in all_named)
    random = [each.name for each in found if each.search.strategy == "random"]
    if typed and random:
        log.warning(
            f"warning: {', '.join(typed)}: without effect on {first_few(random)}, a random search: "
            "no child has parents"
        )


@dataclass(frozen=True)
class PlacedSeed:
    """A seed and the run directory that it continues.

    Attributes:
        who: it is, among all.
        plan: its search with its data; None before it is placed, or where its data is gone.
        moved: whether its search is finished under another name, in whose directory it goes on.
    """

    named: Named
    spec: RunSpec
    who: Who
    plan: SearchPlan | None = None
    moved: bool = False

    @property
    def said(self) -> str:
        """What to tell of a seed that was moved."""
        return f"this search is finished in {self.spec.paths.directory}, which is used"

    @property
    def has_work(self) -> bool:
        """Whether a stage is left to be done; of a run that cannot be read that is not known."""
        try:
            spec = self.spec
            return bool(pending_stages(spec.paths, spec.experiment, spec.seed))
        except (StorageError, DamagedError, StoredError):
            return False


class Placement:
    """Decides which run directory each seed continues, and gives no directory twice.

    It is that of the experiment's name, unless it is missing and the same search is finished under
    another name. Different experiments may so come to one directory.

    Args:
        asked: the experiment or study, as it was typed.
        runs: where run directories are.
        other_names: whether other names count; not where the user chose one.
    """

    def __init__(self, asked: str, runs: Path, *, other_names: bool) -> None:
        self._asked = asked
        self._runs = runs
        self._other_names = other_names
        self._known: dict[Path, PlacedSeed] = {}

    def place(self, seeds: Sequence[PlacedSeed], *, needs_data: bool) -> list[PlacedSeed]:
        """Places seeds of one experiment; those whose directory was given before are left out.

        What is refused is refused before the first seed has searched for days.

        Args:
            seeds: in the directories of the experiment's name.
            needs_data: whether missing data is refused here if a seed has work left; else the
                start of that seed refuses it.

        Raises:
            DataError: data is missing that one of them needs.
            InputError: a run directory was made with other settings, or two experiments come to it.
        """
        specs = [seed.spec for seed in seeds]
        try:
            plans = plan_seeds(specs)
            check_test_sets(specs[0], plans[specs[0].seed])
        except DataError:
            placed = [self._place(seed, None) for seed in seeds]
            if needs_data and any(seed.has_work for seed in placed):
                raise
        else:
            placed = [self._place(seed, plans[seed.spec.seed]) for seed in seeds]
            for seed in placed:
                # A run that cannot be read is refused by its own start, not those of the others.
                with suppress(StorageError, DamagedError, StoredError):
                    refuse_other_settings(seed.spec.paths, plans[seed.spec.seed])
        return [seed for seed in placed if self._is_new(seed)]

    def _place(self, seed: PlacedSeed, plan: SearchPlan | None) -> PlacedSeed:
        own, found = seed.spec.paths, None
        with suppress(StorageError):  # a directory that cannot be read is refused by its own start
            if self._other_names and not is_there(own.directory):
                found = find_finished(self._runs, plan) if plan else self._find_done(seed.spec)
        if found is None:
            return replace(seed, plan=plan)
        experiment = rename(seed.spec.experiment, found.directory.parent.name)
        spec = replace(seed.spec, paths=found, experiment=experiment)
        plan = replace(plan, experiment=experiment) if plan else None
        return replace(seed, spec=spec, plan=plan, moved=True)

    def _find_done(self, spec: RunSpec) -> RunPaths | None:
        """Where all of an experiment is done, so that its data, which is gone, is needed no more.

        The digests of the data cannot be compared: that it came from the same source has to do.
        """
        candidates = runs_below(self._runs, spec.seed)
        done = (run for run in candidates if _is_done(run, spec.experiment, spec.seed))
        return next(done, None)

    def _is_new(self, seed: PlacedSeed) -> bool:
        known = self._known.setdefault(seed.spec.paths.directory, seed)
        if known.spec.experiment != seed.spec.experiment:
            raise InputError(
                f"{self._asked} has two experiments for {seed.spec.paths.directory}, where the "
                f"search of both is finished: {known.named.typed} and {seed.named.typed}; ask for "
                "one after the other"
            )
        return known is seed


def _is_done(paths: RunPaths, experiment: Experiment, seed: int) -> bool:
    try:
        stored = read_stored(paths)
        if stored is None or _sources(stored.experiment) != _sources(experiment):
            return False
        return not pending_stages(paths, rename(experiment, paths.directory.parent.name), seed)
    except EmtnasError:
        return False


def _sources(experiment: Experiment) -> dict[str, str]:
    return {name: experiment.task[name].source for name in experiment.tasks}
