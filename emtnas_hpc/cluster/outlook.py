"""What is ahead of the seeds of one experiment: as it was measured, and else as it is guessed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emtnas_hpc.agenda.transfers import TrainingImages
from emtnas_hpc.cluster.guessing import guess_epochs
from emtnas_hpc.cluster.measuring import measure_commits, measure_pace, measure_stages
from emtnas_hpc.cluster.plan import Limits, Measure, SeedPlan, disk_need, plan_seed
from emtnas_hpc.cluster.profile import Profile
from emtnas_hpc.cluster.sight import Sight
from emtnas_hpc.cluster.stages import work_ahead
from emtnas_hpc.errors import StorageError
from emtnas_hpc.experiment import Experiment
from emtnas_hpc.search.assembly import SearchPlan
from emtnas_hpc.store.paths import SEARCH, StagePaths


@dataclass(frozen=True)
class Outlook:
    """What is ahead of a seed.

    Attributes:
        plan: jobs and seconds, retraining included.
        guessed: retrainings that are left, and of which no epoch has been measured.
        guessed_s: seconds of those.
        disk_bytes: that its run directory will take besides what it has.
    """

    plan: SeedPlan
    guessed: tuple[str, ...]
    guessed_s: float
    disk_bytes: float


@dataclass(frozen=True)
class Knowledge:
    """What an outlook goes by.

    Attributes:
        experiment: whose seeds.
        limits: of each of their jobs.
        pace: seconds of a generation.
        measured: seconds of a step by the name of the stage; of the search always.
        guessed: seconds of an epoch by the name of the retraining, measured or not.
        commits: bytes of a commit by the name of the stage.
    """

    experiment: Experiment
    limits: Limits
    pace: Measure
    measured: Mapping[str, float]
    guessed: Mapping[str, float]
    commits: Mapping[str, Measure]

    def outlook(self, sight: Sight) -> Outlook:
        """What is ahead of one of the seeds."""
        retrainings = [stage for stage in sight.stages if stage.name != SEARCH]
        measured = work_ahead(retrainings, self.measured)
        ahead = work_ahead(retrainings, {**self.guessed, **self.measured})
        plan = plan_seed(
            sight.generation,
            self.experiment.search.generations,
            self.measured[SEARCH],
            self.limits,
            ahead.known_s,
        )
        guessed_s = ahead.known_s - measured.known_s
        return Outlook(plan, measured.unmeasured, guessed_s, self._disk(sight))

    def _disk(self, sight: Sight) -> float:
        left = [stage.name for stage in sight.stages if not stage.finished]
        stages = [
            (self.commits[name].value, _n_commits(sight.paths.stage(name)))
            for name in left
            if name in self.commits
        ]
        return disk_need(stages, self.experiment.run.keep_commits)


def learn(
    experiment: Experiment,
    profile: Profile,
    plan: SearchPlan | None,
    transfers: Mapping[str, TrainingImages],
    sights: Sequence[Sight],
) -> Knowledge:
    """Gathers it.

    Args:
        experiment: whose seeds.
        profile: what their jobs ask for.
        plan: of one of them; None where nothing is left of any.
        transfers: images of the data sets that the plan does not search on, by name.
        sights: of all seeds that there are, asked for or not.
    """
    pace = measure_pace(sights, plan.identity.experiment_signature if plan else "")
    return Knowledge(
        experiment,
        Limits(60.0 * profile.time, profile.lead_time_s),
        pace,
        {**measure_stages(sights), SEARCH: pace.value},
        guess_epochs(experiment, plan.header().tasks, transfers, pace.value) if plan else {},
        measure_commits(sights, experiment),
    )


def _n_commits(stage: StagePaths) -> int:
    """Commits that are there; none where nobody can tell, and where nothing is submitted either."""
    try:
        return len(stage.steps())
    except StorageError:
        return 0
